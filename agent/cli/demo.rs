// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup demo`: the main job, shown on an own PostgreSQL and a sample instance in a scratch
//! directory. It calls the same verbs as a person does, and compares what comes back with what was
//! there.

use super::exit::Exit;
use super::output::{number, seconds};
use super::session::Session;
use crate::demo::sample::Options;
use crate::demo::{Cluster, Role, Sample, TableDigest, dump_rows, snapshot_tree};
use crate::operations::{Error, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Show everything on an own PostgreSQL and a sample instance in a scratch directory
#[derive(clap::Args)]
pub struct Args {
    /// Keep the instance, its vault and its PostgreSQL in this new folder until Enter is pressed
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// How many more source files the sample instance gets
    #[arg(long, value_name = "N", default_value_t = 500)]
    files: usize,
}

#[derive(serde::Serialize)]
struct Report {
    steps: Vec<Step>,
    equal: bool,
}

#[derive(serde::Serialize)]
struct Step {
    command: String,
    seconds: f64,
}

/// The demonstration's world.
struct Show<'a> {
    session: &'a Session<'a>,
    sample: Sample,
    cluster: Cluster,
    vault: PathBuf,
    scratch: PathBuf,
    steps: Vec<Step>,
}

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let temporary = tempfile::Builder::new()
        .prefix("fo_backup-demo-")
        .tempdir()
        .map_err(Error::io("making a folder in", &std::env::temp_dir()))?;
    let folder = match &args.keep {
        Some(folder) => {
            fs::create_dir(folder).map_err(Error::io("making", folder))?;
            folder.as_path()
        }
        None => temporary.path(),
    };
    let mut show = Show::set_up(session, folder, args.files)?;
    let played = show.play();
    if args.keep.is_some() {
        show.stay();
    }
    let equal = played?;
    let report = Report {
        steps: show.steps,
        equal,
    };
    session.output.result("demo", &report, || {
        let total: f64 = report.steps.iter().map(|step| step.seconds).sum();
        let verdict = if equal {
            "every row and every needed file is back, byte for byte"
        } else {
            "WHAT CAME BACK DIFFERS"
        };
        format!(
            "\ndemo: {verdict} ({} commands in {})\n",
            report.steps.len(),
            seconds(total)
        )
    });
    Ok(if equal { Exit::Done } else { Exit::Failed })
}

impl<'a> Show<'a> {
    fn set_up(session: &'a Session<'a>, folder: &Path, files: usize) -> Result<Self> {
        let notes = session.output.progress();
        notes.note("demo: starting an own PostgreSQL and making a sample FOSSology instance");
        let cluster = Cluster::start(folder)?;
        let place = folder.join("instance");
        let scratch = folder.join("scratch");
        for new in [&place, &scratch] {
            fs::create_dir(new).map_err(Error::io("making", new))?;
        }
        let sample = Sample::build(
            &place,
            &cluster,
            Options {
                extra_files: files,
                ..Options::default()
            },
        )?;
        notes.note(&format!(
            "demo: {} uploads, {} blobs, two repository hosts, a database on port {}",
            sample.uploads().len(),
            number(sample.needed_blobs().len() as u64),
            cluster.port()
        ));
        Ok(Self {
            session,
            sample,
            cluster,
            vault: folder.join("vault"),
            scratch,
            steps: Vec::new(),
        })
    }

    /// The story. Gives back whether everything came back.
    fn play(&mut self) -> Result<bool> {
        self.call("init", &["init"])?;
        let before = self.state()?;
        self.call("the first backup takes everything", &["backup"])?;
        self.call("the second one finds nothing new", &["backup"])?;
        //TMP self.call("the vault is whole", &["verify", "--read-data"])?;
        self.lose()?;
        self.call("and bring it back", &["restore", "latest"])?;
        self.call(
            "database against repository, every file hashed",
            &["check", "--deep"],
        )?;
        self.call(
            "jobs that were waiting are parked until they are resumed",
            &["jobs"],
        )?;
        Ok(self.state()? == before)
    }

    /// Runs a verb as a person would, its output straight to the person.
    fn call(&mut self, why: &str, arguments: &[&str]) -> Result<()> {
        let program =
            std::env::current_exe().map_err(Error::io("looking for", Path::new("fo_backup")))?;
        let shown = format!("fo_backup {}", arguments.join(" "));
        self.session
            .output
            .progress()
            .note(&format!("\n$ {shown}    # {why}"));
        let began = Instant::now();
        let mut command = Command::new(&program);
        command
            .arg("-c")
            .arg(self.sample.sysconfdir())
            .arg("--vault")
            .arg(&self.vault)
            .args(arguments)
            .env("FO_BACKUP_SCRATCH", &self.scratch);
        if self.session.output.is_json() {
            // Only the demonstration's own object goes to standard output.
            command.stdout(std::process::Stdio::null());
        }
        let status = command.status().map_err(Error::io("running", &program))?;
        self.steps.push(Step {
            command: shown.clone(),
            seconds: began.elapsed().as_secs_f64(),
        });
        // 3: something was found, which is said; the sample instance has orphans and an upload
        // that is being unpacked.
        match status.code() {
            Some(0 | 3) => Ok(()),
            _ => Err(Error::Demo {
                command: shown,
                status: status.to_string(),
            }),
        }
    }

    /// The disaster.
    fn lose(&self) -> Result<()> {
        let database = self.sample.database();
        let repository = self.sample.repository();
        self.session.output.progress().note(&format!(
            "\ndemo: now everything is lost: database {database} is dropped, {} is emptied",
            repository.display()
        ));
        let mut admin = self.cluster.connect(Role::Superuser, "postgres")?;
        admin
            .batch_execute(&format!("DROP DATABASE \"{database}\""))
            .map_err(crate::fossology::database::Error::sql(
                "dropping the sample's database",
            ))?;
        for entry in fs::read_dir(repository).map_err(Error::io("reading", repository))? {
            let path = entry.map_err(Error::io("reading", repository))?.path();
            fs::remove_dir_all(&path).map_err(Error::io("removing", &path))?;
        }
        Ok(())
    }

    /// All rows but the queue's and our own, and every file that the database needs.
    fn state(&self) -> Result<State> {
        let mut rows = dump_rows(&mut self.sample.connect()?)?;
        rows.retain(|table, _| !table.starts_with("backup_") && table != "jobqueue");
        let tree = snapshot_tree(self.sample.repository())?;
        let root = self.sample.repository();
        let files = self
            .sample
            .needed_blobs()
            .into_iter()
            .flat_map(|blob| blob.paths);
        let files = files
            .map(|path| {
                let inside = path.strip_prefix(root).unwrap_or(&path).to_owned();
                let content = tree.get(&inside).map(|state| state.sha1.clone());
                (inside, content)
            })
            .collect();
        Ok(State { rows, files })
    }

    /// Leaves everything as it is until somebody has looked around.
    fn stay(&self) {
        self.session.output.progress().note(&format!(
            "\ndemo: try it yourself, in another terminal:\n  fo_backup -c {} --vault {} snapshots\nPress Enter to end the sample's PostgreSQL.",
            self.sample.sysconfdir().display(),
            self.vault.display()
        ));
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

#[derive(PartialEq)]
struct State {
    rows: BTreeMap<String, TableDigest>,
    files: BTreeMap<PathBuf, Option<String>>,
}
