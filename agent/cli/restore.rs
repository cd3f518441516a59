// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup restore`.

use super::exit::Exit;
use super::output::{bytes, number, seconds};
use super::session::Session;
use crate::blob::HostName;
use crate::operations::by_url::Fetched;
use crate::operations::restore::{self, Report, Undo, Undone};
use crate::operations::{Error, Result};
use crate::vault::Mode;
use std::path::PathBuf;

/// Bring a snapshot back; after an interruption the same command goes on
#[derive(clap::Args)]
pub struct Args {
    /// A snapshot's id or the beginning of one, or `latest`
    #[arg(required_unless_present = "undo")]
    snapshot: Option<String>,

    /// Bring nothing back: give the database that the last restore replaced, or this one, its name
    /// again, and keep the restored one under another. Files are left alone
    #[arg(
        long,
        value_name = "DATABASE",
        num_args = 0..=1,
        require_equals = true,
        conflicts_with_all = ["snapshot", "no_database", "repository", "no_repository", "repo_host", "upload", "config_to"]
    )]
    undo: Option<Option<String>>,

    /// The database's name [default: that of Db.conf]
    #[arg(long, value_name = "NAME", conflicts_with = "no_database")]
    database: Option<String>,

    /// Leave the database alone; the repository gets all that the snapshot names
    #[arg(long)]
    no_database: bool,

    /// The repository's folder [default: that of fossology.conf]
    #[arg(long, value_name = "DIR", conflicts_with = "no_repository")]
    repository: Option<PathBuf>,

    /// Leave the repository alone
    #[arg(long)]
    no_repository: bool,

    /// Bring back only what this host of [REPOSITORY] lacks by the living database, from any
    /// snapshot, while FOSSology may be at work; may be given again
    #[arg(
        long,
        value_name = "NAME",
        value_parser = super::backup::host,
        requires = "no_database",
        conflicts_with_all = ["repository", "no_repository", "config_to"]
    )]
    repo_host: Vec<HostName>,

    /// Bring back only the files of this upload, and nothing of the database; may be given again.
    /// FOSSology may go on meanwhile
    #[arg(long, value_name = "N", conflicts_with_all = ["database", "no_repository", "config_to"])]
    upload: Vec<i32>,

    /// Write the snapshot's configuration files into this folder, too
    #[arg(long, value_name = "DIR")]
    config_to: Option<PathBuf>,

    /// Look whether it can be done and tell, change nothing
    #[arg(long)]
    dry_run: bool,

    /// How to connect as a role that may create databases; a password in it belongs into the
    /// environment variable instead, since everybody can read command lines
    #[arg(
        long,
        value_name = "URL",
        env = "FO_BACKUP_ADMIN_URL",
        hide_env_values = true
    )]
    admin_url: Option<String>,
}

/// How many lines of each kind are shown.
const SHOWN: usize = 20;

#[derive(serde::Serialize)]
struct ConfigurationOnly {
    configuration: PathBuf,
    files: u64,
}

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    if let Some(before) = args.undo {
        expect_no_password(args.admin_url.as_deref())?;
        let wanted = Undo {
            database: args.database,
            before,
            dry_run: args.dry_run,
            admin_url: args.admin_url,
        };
        let undone = restore::undo(&session.instance()?, &wanted)?;
        let output = session.output;
        output.result("restore", &undone, || undone_text(&undone));
        return Ok(Exit::Done);
    }
    let wanted = args.snapshot.unwrap_or_else(|| "latest".to_owned());
    let settings = session.settings()?;
    let vault = session.open_vault(&settings)?;
    if let Some(folder) = args.config_to.as_ref().filter(|_| !args.dry_run) {
        let files = restore::configuration(&vault, &wanted, folder)?;
        if args.no_database && args.no_repository {
            // On an empty machine there is no configuration yet: this is how it comes back first.
            let report = ConfigurationOnly {
                configuration: folder.clone(),
                files,
            };
            session.output.result("restore", &report, || {
                format!("{files} configuration files are in {}\n", folder.display())
            });
            return Ok(Exit::Done);
        }
    }
    if args.no_database && args.no_repository {
        return Err(Error::Usage(
            "--no-database and --no-repository leave nothing to restore; --config-to DIR brings the configuration".into(),
        ));
    }
    expect_no_password(args.admin_url.as_deref())?;
    let instance = session.instance()?;
    let options = restore::Options {
        database: args.database,
        no_database: args.no_database || !args.upload.is_empty(),
        repository: args.repository,
        no_repository: args.no_repository,
        repo_hosts: args.repo_host,
        gold: settings.gold.clone(),
        dry_run: args.dry_run,
        admin_url: args.admin_url,
        threads: settings.threads(),
        scratch: settings.scratch(),
        postgres_bin: settings.postgres_bin.clone(),
    };
    let (id, context) = (&wanted, session.context());
    let report = if args.upload.is_empty() {
        restore::run(&instance, &vault, id, &options, context)?
    } else {
        restore::run_uploads(&instance, &vault, id, &args.upload, &options, context)?
    };
    session.output.result("restore", &report, || text(&report));
    Ok(if report.is_incomplete() {
        Exit::Incomplete
    } else {
        Exit::Done
    })
}

/// Refuses a password on the command line, where everybody on the host can read it.
pub(super) fn expect_no_password(url: Option<&str>) -> Result<()> {
    let Some(url) = url else {
        return Ok(());
    };
    let on_the_line = std::env::args().any(|argument| argument.ends_with(url));
    let has_password = |url: &str| {
        url.parse::<postgres::Config>()
            .is_ok_and(|config| config.get_password().is_some())
    };
    if on_the_line && has_password(url) {
        return Err(Error::Usage(
            "a password on the command line is there for everybody to read (and was, just now): set FO_BACKUP_ADMIN_URL instead of --admin-url".into(),
        ));
    }
    Ok(())
}

fn undone_text(undone: &Undone) -> String {
    let Undone { database, was, .. } = undone;
    let (mut text, stays) = match undone.dry_run {
        true => (
            format!("database {database} would be the one again that is called {was}"),
            "would be kept",
        ),
        false => (
            format!("database {database} is the one again that was called {was}"),
            "is kept",
        ),
    };
    if let Some(kept) = &undone.kept {
        text += &format!("; the one that had the name {stays} as {kept}");
    }
    text + "\n  files were left alone: 'fo_backup check' tells what this database lacks\n"
}

fn text(report: &Report) -> String {
    let mut text = if report.lacking.is_some() {
        let took = seconds(report.seconds.total);
        match report.dry_run {
            true => format!("what these hosts lack, looked for in {took}:\n"),
            false => format!("what these hosts lacked is back, in {took}\n"),
        }
    } else if report.dry_run && !report.chosen.is_empty() {
        format!("of snapshot {} ({}):\n", report.snapshot, report.mode)
    } else if !report.chosen.is_empty() {
        format!(
            "uploads of snapshot {} ({}) are restored, in {}\n",
            report.snapshot,
            report.mode,
            seconds(report.seconds.total)
        )
    } else if report.dry_run {
        format!(
            "snapshot {} ({}) can be restored:\n",
            report.snapshot, report.mode
        )
    } else {
        format!(
            "snapshot {} ({}) is restored, in {}\n",
            report.snapshot,
            report.mode,
            seconds(report.seconds.total)
        )
    };
    for upload in &report.chosen {
        text += &format!(
            "  upload {} ({}): {} blobs\n",
            upload.upload,
            upload.filename,
            number(upload.blobs)
        );
    }
    if let Some(selected) = report.selected.filter(|_| report.dry_run) {
        text += &format!("  {} of them are in the vault\n", number(selected));
    }
    if let Some(database) = &report.database {
        text += &format!("  database {}", database.name);
        if !report.dry_run {
            text += &format!(
                " in {}",
                seconds(report.seconds.database + report.seconds.switch)
            );
        }
        if let Some(old) = &database.old {
            let verb = if report.dry_run {
                "would be kept"
            } else {
                "is kept"
            };
            text += &format!("; the one before {verb} as {old}");
        }
        text.push('\n');
        let parked = database.parked_queued + database.parked_running;
        if parked > 0 {
            text += &format!(
                "  {} jobs are parked ({} had been running); 'fo_backup jobs resume' lets them go on\n",
                number(parked),
                number(database.parked_running)
            );
        }
        for setting in &database.left_out {
            text += &format!("  not carried over: {setting}\n");
        }
    }
    if report.database.is_some() && !report.scrubbed.is_empty() {
        text += &format!(
            "  secrets were left out of this snapshot ({}): enter the passwords and tokens of FOSSology's configuration anew, make new API tokens, and give every user a new password. Until then nobody can log in; docs/encryption.md says how the first one gets in\n",
            report.scrubbed.join(", ")
        );
    }
    if let Some(repository) = &report.repository {
        text += &format!("  repository {}", repository.display());
        if let Some(blobs) = &report.blobs {
            text += &format!(
                " in {}: {} blobs written, {}; {} were there; {} replaced; {} other files",
                seconds(report.seconds.repository),
                number(blobs.written),
                bytes(blobs.bytes),
                number(blobs.kept),
                number(blobs.replaced),
                number(report.other_files),
            );
        }
        text.push('\n');
    }
    if let Some(lacking) = report.lacking {
        text += &format!(
            "  lacking on these hosts and in the vault: {} blobs, {}\n",
            number(lacking.blobs),
            bytes(lacking.bytes)
        );
        if let Some(left) = report.on_the_web.filter(|left| left.blobs > 0) {
            text += &format!(
                "  lacking, in no pack, and left to the web: {} blobs, {}\n",
                number(left.blobs),
                bytes(left.bytes)
            );
        }
        if report.not_in_snapshot > 0 {
            text += &format!(
                "INCOMPLETE: {} blobs lack that no snapshot has; 'fo_backup recover --missing' unpacks what gold gives\n",
                number(report.not_in_snapshot)
            );
        }
    } else if report.not_in_snapshot > 0 {
        text += &match report.mode {
            Mode::Gold => format!(
                "  {} blobs are not in this gold-only snapshot and have to be unpacked again from gold\n",
                number(report.not_in_snapshot)
            ),
            Mode::Full => format!(
                "INCOMPLETE: {} blobs that the database needs did not come back: they were missing when the snapshot was made, or lie in packs that are named below\n",
                number(report.not_in_snapshot)
            ),
        };
    }
    text += &web_text(&report.by_url);
    if !report.damaged.is_empty() {
        text += &format!(
            "DAMAGED: {} parts of the vault could not be read:\n",
            number(report.damaged.len() as u64)
        );
        for damage in report.damaged.iter().take(SHOWN) {
            let what = damage
                .name
                .map_or("all of it".to_owned(), |name| name.to_string());
            text += &format!("  pack {}: {what}: {}\n", damage.pack, damage.why);
        }
        text += "  'fo_backup verify --read-data' names all that is hit\n";
    }
    if !report.uploads.is_empty() {
        text += "uploads that lack something:\n";
        for hit in report.uploads.iter().take(SHOWN) {
            text += &format!(
                "  {} {}: {} blobs\n",
                hit.upload,
                hit.filename,
                number(hit.blobs)
            );
        }
        if report.uploads.len() > SHOWN {
            text += "  … (--json names all)\n";
        }
    }
    if report.unknown_gold > 0 {
        text += &format!(
            "  {} uploaded files in the repository are of no upload that this database has; 'fo_backup check --unknown-gold' tells what they are\n",
            number(report.unknown_gold)
        );
    }
    for failure in report.other_failures.iter().take(SHOWN) {
        text += &format!("  NOT WRITTEN {failure}\n");
    }
    text
}

fn web_text(fetched: &Fetched) -> String {
    let mut text = String::new();
    if fetched.written + fetched.kept > 0 {
        text += &format!(
            "  from the web {} files, {}; {} were there\n",
            number(fetched.written),
            bytes(fetched.bytes),
            number(fetched.kept)
        );
    }
    if fetched.from_vault > 0 {
        text += &format!(
            "  {} files that this snapshot leaves to the web came from packs of others\n",
            number(fetched.from_vault)
        );
    }
    if !fetched.lost.is_empty() {
        text += &format!(
            "INCOMPLETE: the web does not give {} files any more, and no pack of this vault has them:\n",
            number(fetched.lost.len() as u64)
        );
        for lost in fetched.lost.iter().take(SHOWN) {
            let uploads: Vec<String> = lost.uploads.iter().map(i32::to_string).collect();
            text += &format!(
                "  upload {}: {}: {}\n",
                uploads.join(", "),
                lost.url,
                lost.why
            );
        }
    }
    text
}
