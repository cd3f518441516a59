// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `make bench`: compares fo_backup with restic, rsync, tar and plain tools on a generated
//! repository, and writes benches/RESULTS.md.
//!
//! Everything it makes is in its scratch folder, where the repository stays for the next run. When it
//! dies, its PostgreSQL ends with it, and the next run removes the rest.

mod archive;
mod dump;
mod error;
mod far;
mod instance;
mod machine;
mod measure;
mod packer;
mod peers;
mod pruning;
mod recovery;
mod report;
mod results;
mod rounds;
mod rows;
mod source;
mod targets;

use clap::Parser;
use error::{Error, Result};
use instance::{Instance, Parameters, Repository, Uploads};
use peers::{Places, Question};
use results::{Cache, Results};
use rounds::Bench;
use std::cell::Cell;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compares fo_backup with other programs on generated data
#[derive(Parser)]
struct Options {
    /// Only these, in the order of a round
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Question>,

    /// A tenth of the files, one round, warm caches; RESULTS.md stays as it is
    #[arg(long)]
    quick: bool,

    /// Only fo_backup, with a million tiny files: what memory it takes
    #[arg(long, conflicts_with_all = ["only", "quick"])]
    memory: bool,

    /// How many files, archives aside [default: 80000; with --memory 1000000, with --quick 8000]
    #[arg(long, env = "FO_BACKUP_BENCH_FILES")]
    files: Option<usize>,

    /// Ask what is asked of a single archive (recover, recover-one) of this real .tar.xz
    #[arg(long, env = "FO_BACKUP_BENCH_ARCHIVE")]
    archive: Option<PathBuf>,

    /// Where everything is made; 20 GB have to be free, with --memory 25 GB
    #[arg(long, env = "FO_BACKUP_BENCH_DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"))]
    scratch: PathBuf,

    /// Rounds with warm caches
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    /// Rounds with cold caches, which take long; only root can make caches cold
    #[arg(long, default_value_t = 1)]
    cold_rounds: usize,

    /// Measure nothing, write RESULTS.md again from the figures that are there
    #[arg(long)]
    report: bool,

    /// What cargo says to a benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == measure::MEASURE)
    {
        return measure::measure_one(&arguments.collect::<Vec<OsString>>());
    }
    let options = Options::parse();
    if !options.bench {
        // `cargo test --all-targets` starts benchmarks too, to see that they start.
        return ExitCode::SUCCESS;
    }
    // Files and folders get exactly the modes that they are made with.
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let scratch = &options.scratch;
    fs::create_dir_all(scratch).map_err(Error::io("making", scratch))?;
    let scratch = &scratch
        .canonicalize()
        .map_err(Error::io("looking for", scratch))?;
    let file = scratch.join(if options.quick {
        "quick.json"
    } else {
        "results.json"
    });
    let mut results = Results::load(&file, &machine::describe(scratch))?;
    if !options.report {
        compare(options, scratch, &file, &mut results)?;
    }
    let page = report::page(&results);
    println!("{page}");
    if !options.quick {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
        fs::write(&path, page).map_err(Error::io("writing", &path))?;
    }
    Ok(())
}

fn compare(options: &Options, scratch: &Path, file: &Path, results: &mut Results) -> Result<()> {
    for program in ["restic", "rsync", "zstd", "xz", "tar", "bash"] {
        if !machine::has(program) {
            let message = format!("{program} is not installed: run ./mod_deps --dev");
            return Err(Error::Usage(message));
        }
    }
    let mut asked = options.only.clone();
    if options.only.is_empty() && !options.memory || asked.contains(&Question::Dump) {
        asked.retain(|question| *question != Question::Dump);
        let home = scratch.join("run");
        rounds::remove_and_rest(&home)?;
        fs::create_dir(&home).map_err(Error::io("making", &home))?;
        results.dump = Some(dump::measure(&home, options.quick)?);
        results.save(file)?;
        if asked.is_empty() && !options.only.is_empty() {
            return fs::remove_dir_all(&home).map_err(Error::io("removing", &home));
        }
    }
    let (files, shrink) = match (options.memory, options.quick) {
        (true, _) => (1_000_000, 32),
        (_, true) => (8_000, 1),
        _ => (80_000, 1),
    };
    let mut parameters = Parameters {
        files: options.files.unwrap_or(files).max(1),
        shrink,
        uploads: Uploads::Many,
        archive: None,
    };
    let mut questions = Question::ALL.to_vec();
    questions.retain(|question| asked.is_empty() || asked.contains(question));
    let rounds = if options.quick { 1 } else { options.rounds };
    let (of_an_archive, questions): (Vec<_>, Vec<_>) = questions
        .into_iter()
        .partition(|question| question.is_of_an_archive());
    if options.memory || !questions.is_empty() {
        ask(
            options,
            scratch,
            file,
            results,
            parameters.clone(),
            questions,
            rounds,
        )?;
    }
    if !options.memory && !of_an_archive.is_empty() {
        parameters.files /= 2;
        parameters.uploads = Uploads::One;
        parameters.archive.clone_from(&options.archive);
        ask(
            options,
            scratch,
            file,
            results,
            parameters,
            of_an_archive,
            rounds,
        )?;
    }
    let home = scratch.join("run");
    if home.exists() {
        fs::remove_dir_all(&home).map_err(Error::io("removing", &home))?;
    }
    Ok(())
}

/// Asks these questions of an instance made for them.
fn ask(
    options: &Options,
    scratch: &Path,
    file: &Path,
    results: &mut Results,
    parameters: Parameters,
    mut questions: Vec<Question>,
    rounds: usize,
) -> Result<()> {
    let uploads = parameters.uploads;
    let repository = Repository::generate(scratch, parameters)?;
    let home = scratch.join("run");
    rounds::remove_and_rest(&home)?;
    fs::create_dir(&home).map_err(Error::io("making", &home))?;
    let instance = Instance::start(&home, repository)?;
    let places = match uploads {
        Uploads::Many => Places::new(&home, &instance)?,
        Uploads::One => Places::of_an_archive(&home, &instance)?,
    };
    let versions = machine::versions(env!("CARGO_BIN_EXE_fo_backup"));
    let mut bench = Bench {
        places,
        instance,
        versions: &versions,
        trash: home.join("trash"),
        thrown: Cell::new(0),
        when: jiff::Timestamp::now()
            .to_string()
            .chars()
            .take(10)
            .collect(),
    };
    if options.memory {
        bench.ask_alone(results)?;
        results.save(file)?;
    } else {
        bench.ask(&questions, Cache::Warm, rounds, results)?;
        results.save(file)?;
        if !options.quick && options.cold_rounds > 0 {
            questions.retain(|question| question.is_asked_cold());
            if questions.is_empty() {
                // Nothing of it is told apart by the caches.
            } else if nix::unistd::geteuid().is_root() {
                bench.ask(&questions, Cache::Cold, options.cold_rounds, results)?;
                results.save(file)?;
            } else {
                eprintln!(
                    "only root can empty the page cache: nothing is measured with cold caches"
                );
            }
        }
    }
    Ok(())
}
