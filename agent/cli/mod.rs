// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line: a file a verb, each of which parses its options, calls the operation, and
//! prints what came of it. What all verbs share is in [`session`], [`output`] and [`progress`].

mod backup;
mod check;
mod copy;
mod demo;
mod drill;
mod du;
mod estimate;
mod expire;
mod export;
mod init;
mod install;
mod jobs;
mod keys;
mod manual;
mod output;
mod progress;
mod prune;
mod queue;
mod recover;
mod restore;
mod session;
mod snapshots;
mod status;
mod tidy;
mod verify;

use crate::operations::settings;
use crate::{exit, signals};
use clap::{Parser, Subcommand};
use exit::Exit;
use output::Output;
use session::Session;
use std::path::PathBuf;
use std::process::ExitCode;

/// Under what a verb's help lists the options that every verb has, apart from its own.
const EVERYWHERE: &str = "Options of every command";

/// Backup, restore and validation for FOSSology.
#[derive(Parser)]
#[command(name = "fo_backup", version, max_term_width = 100)]
struct Cli {
    /// FOSSology's configuration folder [default: FO_SYSCONFDIR, else where FOSSology installs it]
    #[arg(
        short = 'c',
        long = "config",
        value_name = "SYSCONFDIR",
        global = true,
        help_heading = EVERYWHERE
    )]
    sysconfdir: Option<PathBuf>,

    /// The vault: a directory, s3://BUCKET/PREFIX or sftp://USER@HOST/PATH [default: FO_BACKUP_VAULT, else `vault` in fo_backup.toml]
    #[arg(
        long,
        value_name = "LOCATION",
        global = true,
        help_heading = EVERYWHERE
    )]
    vault: Option<String>,

    #[command(flatten)]
    keys: session::Keys,

    /// Print the result as one JSON object
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,

    /// No progress and no notes
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = EVERYWHERE
    )]
    quiet: bool,

    /// Say more; twice for all details
    #[arg(
        short,
        long,
        global = true,
        action = clap::ArgAction::Count,
        help_heading = EVERYWHERE
    )]
    verbose: u8,

    #[command(subcommand)]
    verb: Verb,
}

/// In the order of use: the main job, the repository, the vault's life, looking ahead, FOSSology.
#[derive(Subcommand)]
enum Verb {
    Init(init::Args),
    Backup(backup::Args),
    Snapshots(snapshots::Args),
    Restore(restore::Args),
    Verify(verify::Args),
    Check(check::Args),
    Recover(recover::Args),
    Prune(prune::Args),
    Du(du::Args),
    Export(export::Args),
    Copy(copy::Args),
    Expire(expire::Args),
    Keys(keys::Args),
    Drill(drill::Args),
    Estimate(estimate::Args),
    Status(status::Args),
    Queue(queue::Args),
    Jobs(jobs::Args),
    Install(install::Args),
    Uninstall(install::UninstallArgs),
    Demo(demo::Args),
    #[command(hide = true)]
    Manual(manual::Args),
}

/// Runs the command of this process and gives back its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes, although clap hands them out as errors.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    start_log(&cli);
    // New folders and files get exactly the modes that they are made with.
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    signals::install();
    let output = Output::new(cli.json, cli.quiet);
    let session = Session::new(cli.sysconfdir, cli.vault, cli.keys, &output);
    let result = match cli.verb {
        Verb::Init(args) => init::run(&session, args),
        Verb::Backup(args) => backup::run(&session, args),
        Verb::Snapshots(args) => snapshots::run(&session, args),
        Verb::Restore(args) => restore::run(&session, args),
        Verb::Verify(args) => verify::run(&session, args),
        Verb::Check(args) => check::run(&session, args),
        Verb::Recover(args) => recover::run(&session, args),
        Verb::Prune(args) => prune::run(&session, args),
        Verb::Du(args) => du::run(&session, args),
        Verb::Export(args) => export::run(&session, args),
        Verb::Copy(args) => copy::run(&session, args),
        Verb::Expire(args) => expire::run(&session, args),
        Verb::Keys(args) => keys::run(&session, args),
        Verb::Drill(args) => drill::run(&session, args),
        Verb::Estimate(args) => estimate::run(&session, args),
        Verb::Status(args) => status::run(&session, args),
        Verb::Queue(args) => queue::run(&session, args),
        Verb::Jobs(args) => jobs::run(&session, args),
        Verb::Install(args) => install::run(&session, args),
        Verb::Uninstall(args) => install::run_uninstall(&session, args),
        Verb::Demo(args) => demo::run(&session, args),
        Verb::Manual(args) => manual::run(&session, args),
    };
    output.tell_requests();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            output.error(&error.to_string(), exit);
            exit.into()
        }
    }
}

fn start_log(cli: &Cli) {
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => log::LevelFilter::Error,
        (false, 0) => log::LevelFilter::Warn,
        (false, 1) => log::LevelFilter::Info,
        (false, _) => log::LevelFilter::Debug,
    };
    env_logger::Builder::new()
        .filter_module("fossology_backup", level)
        .parse_env("FO_BACKUP_LOG")
        .format_target(false)
        .init();
}

#[cfg(test)]
mod tests {
    use super::{Cli, EVERYWHERE};
    use clap::CommandFactory;

    #[test]
    fn every_verb_s_help_has_its_own_options_first() {
        let mut cli = Cli::command();
        cli.build();
        for verb in cli.get_subcommands_mut() {
            if verb.get_name() == "help" {
                continue;
            }
            let help = verb.render_help().to_string();
            let (own, shared) = help.split_once(EVERYWHERE).unwrap();
            for option in [
                "--config <",
                "--vault <",
                "--identity <",
                "--json",
                "--verbose",
            ] {
                assert!(!own.contains(option), "{option} among {own}");
                assert!(shared.contains(option), "{option} lacks in {shared}");
            }
        }
    }

    #[test]
    fn names_and_conflicts_of_options_fit_each_other() {
        Cli::command().debug_assert();
    }
}
