// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the database costs: its first dump and its restoration beside pg_dump's, and what a day of
//! changes adds to the vault. The database has a million rows in each of the two tables that are the
//! largest in a FOSSology; the repository is empty.

use super::error::{Error, Result};
use super::measure::{Run, size_of};
use super::peers::OURS;
use super::report::mega;
use super::results::Row;
use fossology_backup::demo::sample::{Options, Sample};
use fossology_backup::demo::{Cluster, ClusterOptions, Role};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// How many rows the largest tables have.
const ROWS: usize = 1_000_000;

/// What a day changes, 1 % of the rows each time, and SQL that does it: `$n` is the number of rows,
/// `$m` a hundredth of it.
const DAYS: [(&str, &str); 4] = [
    (
        "new uploads and their findings, at the end of the tables",
        "SELECT bench_rows(currval_of('uploadtree_a', 'uploadtree_pk'), $m)",
    ),
    (
        "decisions on two uploads: neighbouring rows are updated",
        "UPDATE uploadtree_a SET lft = lft + 1 WHERE uploadtree_pk BETWEEN $n / 2 AND $n / 2 + $m;
         UPDATE license_file SET rf_fk = rf_fk + 1 WHERE fl_pk BETWEEN $n / 3 AND $n / 3 + $m;",
    ),
    (
        "an old upload is deleted, new ones take its room, one is decided on",
        "DELETE FROM uploadtree_a WHERE uploadtree_pk BETWEEN $n / 4 AND $n / 4 + $m / 2;
         DELETE FROM license_file WHERE fl_pk BETWEEN $n / 4 AND $n / 4 + $m / 2;
         VACUUM uploadtree_a; VACUUM license_file;
         SELECT bench_rows(currval_of('uploadtree_a', 'uploadtree_pk'), $m);
         UPDATE license_file SET rf_fk = rf_fk + 1 WHERE fl_pk BETWEEN $n / 5 AND $n / 5 + $m / 5;",
    ),
    (
        "rows updated at random over all tables (nothing in FOSSology does that)",
        "UPDATE uploadtree_a SET lft = lft + 1 WHERE hashint4(uploadtree_pk) % 100 = 0;
         UPDATE license_file SET rf_fk = rf_fk + 1 WHERE hashint8(fl_pk) % 100 = 0;
         UPDATE pfile SET pfile_mimetypefk = 3 WHERE hashint4(pfile_pk) % 100 = 0;",
    ),
];

/// Makes `count` rows of each large table behind a number.
const MAKE: &str = "
CREATE FUNCTION currval_of(t text, c text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int; BEGIN EXECUTE format('SELECT coalesce(max(%I), 0) FROM %I', c, t) INTO n; RETURN n; END $$;
CREATE FUNCTION bench_rows(first int, count int) RETURNS void LANGUAGE sql AS $$
INSERT INTO pfile (pfile_pk, pfile_md5, pfile_sha1, pfile_sha256, pfile_size, pfile_mimetypefk)
SELECT n, upper(md5(n::text)), upper(substr(md5('a' || n) || md5('b' || n), 1, 40)),
       upper(md5('c' || n) || md5('d' || n)), hashint4(n) & 65535, 1 + n % 4
  FROM generate_series(first / 3 + 1, (first + count) / 3) n;
INSERT INTO uploadtree_a (uploadtree_pk, parent, realparent, upload_fk, pfile_fk, ufile_mode, lft, rgt, ufile_name)
SELECT n, n - n % 20, n - n % 20, 1, 0, 33188, n % 5000 * 2, n % 5000 * 2 + 1,
       'file_' || substr(md5(n::text), 1, 8) || '.c'
  FROM generate_series(first + 1, first + count) n;
INSERT INTO license_file (fl_pk, rf_fk, agent_fk, rf_timestamp, pfile_fk, fl_end_byte)
SELECT n, hashint4(n) & 255, 5 + n % 4, timestamptz '2026-01-01' + n * interval '3 second',
       1 + n % greatest((first + count) / 3 - 1, 1), hashint4(n) & 4095
  FROM generate_series(first + 1, first + count) n;
$$;
INSERT INTO upload (upload_pk, upload_filename, upload_mode) VALUES (1, 'bench', 104);";

/// What a day added.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Day {
    pub what: String,
    pub seconds: f64,
    pub added: u64,
}

/// All figures of the database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dump {
    pub when: String,
    pub rows: usize,
    /// The first dump in the vault, in bytes.
    pub stored: u64,
    pub objects: u64,
    pub dumps: Vec<Row>,
    pub restores: Vec<Row>,
    pub days: Vec<Day>,
}

/// Measures all of it below `home`, an empty folder.
pub fn measure(home: &Path, quick: bool) -> Result<Dump> {
    let rows = if quick { ROWS / 10 } else { ROWS };
    let durable = ClusterOptions {
        durable: true,
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start_with(home, &durable)?;
    let sample = Sample::install(home, &cluster, Options::one_host())?;
    let log = home.join("log-of-a-command");
    let vault = home.join("vault");
    let ours = |words: &[&str]| {
        let fixed = [sample.sysconfdir(), vault.clone()].map(PathBuf::into_os_string);
        let [sysconfdir, vault] = fixed;
        let arguments = [
            "-c".into(),
            sysconfdir,
            "--vault".into(),
            vault,
            "-q".into(),
        ];
        let words = words.iter().map(|word| (*word).into());
        Run::new(
            env!("CARGO_BIN_EXE_fo_backup"),
            arguments.into_iter().chain(words),
        )
        .env("FO_BACKUP_SCRATCH", home)
    };
    let mut client = sample.connect()?;
    let failed = |error: postgres::Error| Error::Usage(format!("filling the database: {error}"));
    client.batch_execute(MAKE).map_err(failed)?;
    let fill = format!("SELECT bench_rows(0, {rows}); ");
    client.batch_execute(&fill).map_err(failed)?;
    client.batch_execute("VACUUM ANALYZE").map_err(failed)?;
    ours(&["init"]).prepare(&log)?;

    let database = vault.join("database");
    let full = ours(&["backup"]).writes(&vault).measure(&log)?;
    let stored = size_of(&database);
    let mut objects = 0;
    for entry in walkdir::WalkDir::new(&database).into_iter().flatten() {
        objects += u64::from(entry.file_type().is_file());
    }
    let (custom, gzip) = (home.join("dump.custom"), home.join("dump.sql.gz"));
    let bin = cluster.bin_directory();
    let with = |run: Run, database: &str| {
        run.env("PGHOST", "127.0.0.1")
            .env("PGPORT", cluster.port().to_string())
            .env("PGUSER", Role::Fossy.name())
            .env("PGPASSWORD", cluster.password(Role::Fossy))
            .env("PGDATABASE", database)
    };
    let name = sample.database();
    let dump_custom = Run::shell("\"$1/pg_dump\" -Fc -f \"$2\"", [bin, &custom]);
    let dump_gzip = Run::shell("\"$1/pg_dump\" | gzip > \"$2\"", [bin, &gzip]);
    let mut custom_sample = with(dump_custom, name).writes(&custom).measure(&log)?;
    let mut gzip_sample = with(dump_gzip, name).writes(&gzip).measure(&log)?;
    custom_sample.size = size_of(&custom);
    gzip_sample.size = size_of(&gzip);
    let mut full = full;
    full.size = stored;
    let row = |name: &str, sample| Row {
        name: name.to_owned(),
        samples: vec![sample],
    };
    let dumps = vec![
        row(OURS, full),
        row("pg_dump -Fc", custom_sample),
        row("pg_dump \\| gzip", gzip_sample),
    ];

    let restore = ours(&[
        "restore",
        "latest",
        "--no-repository",
        "--database",
        "bench_ours",
    ]);
    let mut restores = vec![row(OURS, restore.measure(&log)?)];
    let of_others = [
        (
            "pg_restore -j2 of -Fc",
            "\"$1/pg_restore\" -j2 -d bench_custom \"$2\"",
            &custom,
        ),
        (
            "gunzip \\| psql",
            "gunzip -c \"$2\" | \"$1/psql\" -q bench_gzip",
            &gzip,
        ),
    ];
    for (name, text, file) in of_others {
        let target = text
            .split_whitespace()
            .find_map(|word| word.find("bench_").map(|at| &word[at..]));
        cluster.create_database(target.unwrap_or("bench_x"), Role::Fossy, "SQL_ASCII")?;
        let run = Run::shell(text, [bin, file.as_path()]);
        restores.push(row(name, with(run, "postgres").measure(&log)?));
    }
    for file in [&custom, &gzip] {
        fs::remove_file(file).map_err(Error::io("removing", file))?;
    }

    let mut days = Vec::new();
    for (what, statements) in DAYS {
        let changed = statements
            .replace("$n", &rows.to_string())
            .replace("$m", &(rows / 100).to_string());
        // One at a time, since VACUUM wants to be alone.
        for statement in changed.split(';').filter(|text| !text.trim().is_empty()) {
            client.batch_execute(statement).map_err(failed)?;
        }
        let before = size_of(&database);
        let sample = ours(&["backup"]).writes(&vault).measure(&log)?;
        days.push(Day {
            what: what.to_owned(),
            seconds: sample.durable,
            added: size_of(&database) - before,
        });
    }
    let today = jiff::Timestamp::now().to_string();
    Ok(Dump {
        when: today.chars().take(10).collect(),
        rows,
        stored,
        objects,
        dumps,
        restores,
        days,
    })
}

/// The part of the report about it.
pub fn page(dump: &Dump) -> String {
    let mut page = format!(
        "\n## The database\n\nMeasured {} with {} rows in uploadtree and in license_file, a third of that in pfile; warm caches, one round.\n",
        dump.when, dump.rows
    );
    for (title, rows) in [("dump", &dump.dumps), ("restore", &dump.restores)] {
        let _ = write!(
            page,
            "\n| {title} | seconds | size |\n| --- | ---: | ---: |\n"
        );
        for row in rows.iter() {
            for sample in &row.samples {
                let size = match (sample.code, sample.size) {
                    (0, 0) => "–".to_owned(),
                    (0, size) => mega(size as f64),
                    (code, _) => format!("failed ({code})"),
                };
                let _ = writeln!(page, "| {} | {:.1} | {size} |", row.name, sample.durable);
            }
        }
    }
    let _ = write!(
        page,
        "\nThe vault has {} of it, in {} objects. What a day adds that changes 1 % of the rows:\n\n| day | backup, seconds | added | of the stored dump |\n| --- | ---: | ---: | ---: |\n",
        mega(dump.stored as f64),
        dump.objects
    );
    for day in &dump.days {
        let percent = 100.0 * day.added as f64 / dump.stored as f64;
        let added = mega(day.added as f64);
        let _ = writeln!(
            page,
            "| {} | {:.1} | {added} | {percent:.1} % |",
            day.what, day.seconds
        );
    }
    page
}
