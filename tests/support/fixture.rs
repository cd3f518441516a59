// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A real instance, dumped from a running FOSSology, brought to life in a scratch directory.
//!
//! It is a directory with `database.sql.zst` (a plain dump without owners), `repository.tar.zst`
//! (with `repository/` in it) and `etc/` (fossology.conf, Db.conf). Its rows stay as they are, so
//! `jq_log` still names the path that the repository had.

use fossology_backup::demo::{Cluster, Role, free_port};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The variable that names the directory; without it one beside the project is looked for.
const VARIABLE: &str = "FO_BACKUP_TEST_INSTANCE";

/// A real instance that was brought to life.
pub struct RealInstance {
    /// The folder of fossology.conf and Db.conf.
    pub sysconfdir: PathBuf,
    /// The repository's path.
    pub repository: PathBuf,
    /// The database's name.
    pub database: String,
}

/// The directory of a real instance, when there is one on this machine.
pub fn source() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        let named = PathBuf::from(named);
        assert!(
            named.join("etc").is_dir(),
            "{VARIABLE} names no instance: {}",
            named.display()
        );
        return Some(named);
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/instance");
    beside.is_dir().then_some(beside)
}

/// Unpacks the instance below `directory` as the running user and loads its database.
pub fn load(source: &Path, directory: &Path, cluster: &Cluster, database: &str) -> RealInstance {
    let directory = directory.canonicalize().unwrap();
    cluster
        .create_database(database, Role::Fossy, "UTF8")
        .unwrap();
    load_database(&source.join("database.sql.zst"), cluster, database);
    let packed = File::open(source.join("repository.tar.zst")).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(packed).unwrap());
    archive.set_preserve_permissions(true);
    archive.unpack(&directory).unwrap();

    let instance = RealInstance {
        sysconfdir: directory.join("etc"),
        repository: directory.join("repository"),
        database: database.to_owned(),
    };
    fs::create_dir(&instance.sysconfdir).unwrap();
    let conf = fs::read_to_string(source.join("etc/fossology.conf")).unwrap();
    let conf: String = conf
        .lines()
        .map(|line| adapted(line, &instance.repository) + "\n")
        .collect();
    fs::write(instance.sysconfdir.join("fossology.conf"), conf).unwrap();
    let db = format!(
        "dbname={database};\nhost=127.0.0.1;\nport={};\nuser=fossy;\npassword={};\nclient_encoding=utf8;\n",
        cluster.port(),
        cluster.password(Role::Fossy)
    );
    fs::write(instance.sysconfdir.join("Db.conf"), db).unwrap();
    instance
}

fn load_database(dump: &Path, cluster: &Cluster, database: &str) {
    let mut psql = Command::new(cluster.bin_directory().join("psql"))
        .args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--output=/dev/null",
        ])
        .args(["--host=127.0.0.1", "--username=fossy", "--dbname", database])
        .arg(format!("--port={}", cluster.port()))
        .env("PGPASSWORD", cluster.password(Role::Fossy))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = psql.stdin.take().unwrap();
    zstd::stream::copy_decode(File::open(dump).unwrap(), &mut input).unwrap();
    drop(input);
    assert!(
        psql.wait().unwrap().success(),
        "psql could not load {}",
        dump.display()
    );
}

/// A line of fossology.conf as it is true here.
fn adapted(line: &str, repository: &Path) -> String {
    let key = line.split('=').next().unwrap_or_default().trim();
    match key {
        "path" => format!("path = {}", repository.display()),
        // Any free one: nobody must mistake this host's own scheduler for the instance's.
        "port" => format!("port = {}", free_port().unwrap()),
        "PROJECTUSER" => {
            let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
            format!("PROJECTUSER={}", user.unwrap().unwrap().name)
        }
        "PROJECTGROUP" => {
            let group = nix::unistd::Group::from_gid(nix::unistd::getegid());
            format!("PROJECTGROUP={}", group.unwrap().unwrap().name)
        }
        _ => line.to_owned(),
    }
}
