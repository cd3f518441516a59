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
use crate::vault::ListKey;
use age::secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Show everything on an own PostgreSQL and a sample instance in a scratch directory
#[derive(clap::Args)]
pub struct Args {
    /// Keep the instance, its vault and its PostgreSQL in this new folder until Enter is pressed
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Encrypt the vault, with a pair of keys that is made for it
    #[arg(long)]
    encrypted: bool,

    /// How many more source files the sample instance gets
    #[arg(long, value_name = "N", default_value_t = 500)]
    files: usize,
}

#[derive(serde::Serialize)]
struct Report {
    steps: Vec<Step>,
    equal: bool,
    encrypted: bool,
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
    /// The private key, when the vault is encrypted.
    key: Option<Key>,
    steps: Vec<Step>,
}

/// A pair of keys, the private one in a file.
struct Key {
    file: PathBuf,
    public: String,
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
    let mut show = Show::set_up(session, folder, &args)?;
    let played = show.play();
    if args.keep.is_some() {
        show.stay();
    }
    let equal = played?;
    let report = Report {
        steps: show.steps,
        equal,
        encrypted: args.encrypted,
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
    fn set_up(session: &'a Session<'a>, folder: &Path, args: &Args) -> Result<Self> {
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
                extra_files: args.files,
                ..Options::default()
            },
        )?;
        notes.note(&format!(
            "demo: {} uploads, {} blobs, two repository hosts, a database on port {}",
            sample.uploads().len(),
            number(sample.needed_blobs().len() as u64),
            cluster.port()
        ));
        let key = match args.encrypted {
            true => Some(Key::make(session, folder)?),
            false => None,
        };
        Ok(Self {
            session,
            sample,
            cluster,
            vault: folder.join("vault"),
            scratch,
            key,
            steps: Vec::new(),
        })
    }

    /// The story. Gives back whether everything came back.
    fn play(&mut self) -> Result<bool> {
        let key = self.key.as_ref();
        let public = key.map(|key| key.public.clone());
        let file = key.map(|key| key.file.to_string_lossy().into_owned());
        let for_key: Vec<&str> = public.iter().flat_map(|key| ["--recipient", key]).collect();
        let with_key: Vec<&str> = file.iter().flat_map(|key| ["--identity", key]).collect();
        self.call("init", &[&["init"], &for_key[..]].concat())?;
        let before = self.state()?;
        self.call("the first backup takes everything", &["backup"])?;
        self.call("the second one finds nothing new", &["backup"])?;
        let verify = [&["verify", "--read-data"], &with_key[..]].concat();
        self.call("the vault is whole", &verify)?;
        self.lose()?;
        let restore = ["restore", "latest"];
        if self.key.is_some() {
            let why = "whoever has the vault alone has nothing";
            self.refused(why, &restore, Exit::WrongKey)?;
        }
        let restore = [&restore, &with_key[..]].concat();
        self.call("and bring it back", &restore)?;
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
        // 3: something was found, which is said; the sample instance has orphans and an upload
        // that is being unpacked.
        self.run(why, arguments, &[Exit::Done, Exit::Incomplete])
    }

    /// The same for what has to be refused.
    fn refused(&mut self, why: &str, arguments: &[&str], exit: Exit) -> Result<()> {
        self.run(why, arguments, &[exit])
    }

    fn run(&mut self, why: &str, arguments: &[&str], expected: &[Exit]) -> Result<()> {
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
            .env("FO_BACKUP_SCRATCH", &self.scratch)
            .env_remove("FO_BACKUP_IDENTITY");
        if self.session.output.is_json() {
            // Only the demonstration's own object goes to standard output.
            command.stdout(std::process::Stdio::null());
        }
        let status = command.status().map_err(Error::io("running", &program))?;
        self.steps.push(Step {
            command: shown.clone(),
            seconds: began.elapsed().as_secs_f64(),
        });
        let ended = |exit: &Exit| status.code() == Some(exit.code().into());
        if expected.iter().any(ended) {
            return Ok(());
        }
        Err(Error::Demo {
            command: shown,
            status: status.to_string(),
        })
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
            "\ndemo: try it yourself, in another terminal:\n  fo_backup -c {} --vault {} snapshots{}\nPress Enter to end the sample's PostgreSQL.",
            self.sample.sysconfdir().display(),
            self.vault.display(),
            self.key.as_ref().map_or(String::new(), |key| format!("\nIts private key is in {}.", key.file.display()))
        ));
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

impl Key {
    /// Makes a pair as `age-keygen -o FILE` does, which need not be installed.
    fn make(session: &Session<'_>, folder: &Path) -> Result<Self> {
        let (file, pair) = (folder.join("key"), ListKey::generate());
        let public = pair.public();
        let text = zeroize::Zeroizing::new(format!(
            "# public key: {public}\n{}\n",
            pair.secret().expose_secret()
        ));
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        options
            .open(&file)
            .and_then(|mut to| to.write_all(text.as_bytes()))
            .map_err(Error::io("writing", &file))?;
        session.output.progress().note(&format!(
            "\n$ age-keygen -o {}    # in truth kept elsewhere: this host needs only the public key\nPublic key: {public}",
            file.display()
        ));
        Ok(Self { file, public })
    }
}

#[derive(PartialEq)]
struct State {
    rows: BTreeMap<String, TableDigest>,
    files: BTreeMap<PathBuf, Option<String>>,
}
