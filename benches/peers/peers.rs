// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The commands that are compared: for each question those that can answer it. All of them keep
//! modes, owners, times and hard links, and use their own defaults else.

use super::error::{Error, Result};
use super::far::{Far, Server};
use super::instance::{Instance, Wanted};
use super::machine::{cores, has};
use super::measure::Run;
use fossology_backup::demo::{Cluster, Role};
use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What all others are compared with.
pub const OURS: &str = "fo_backup";
/// The part of a backup that belongs to the database.
pub const DUMP: &str = "pg_dump alone";
pub const RESTIC: &str = "restic";
pub const RUSTIC: &str = "rustic";
pub const RSYNC: &str = "rsync -aH";
pub const TAR: &str = "tar and zstd -1";
/// Our restore with the database, which no other program brings back.
pub const OURS_WITH_DATABASE: &str = "fo_backup, and the database";
pub const FIND: &str = "find on all cores";
pub const SHA1SUM: &str = "sha1sum on all cores";

/// The database that a restore makes.
const RESTORED: &str = "restored";

/// What is measured.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// The first backup
    Full,
    /// A backup when nothing is new
    Unchanged,
    /// A backup after FOSSology has read, and so touched, every file
    Touched,
    /// A backup when a thousandth of the files is new
    New,
    /// Everything back, to an empty place
    Restore,
    /// The first backup into a bucket of an S3 server
    FarFull,
    /// One into the bucket when nothing is new
    FarUnchanged,
    /// Everything back from the bucket, to an empty place
    FarRestore,
    /// Is every file there?
    Check,
    /// Is every file's content right?
    Deep,
    /// All files of an uploaded archive, unpacked again
    Recover,
    /// One file of it
    RecoverOne,
    /// What may go, of everything?
    Plan,
    /// All files of an uploaded archive go
    Prune,
    /// What does the database cost, and a day of its changes?
    Dump,
}

impl Question {
    /// All, in the order of a round: each finds what the ones before it left.
    pub const ALL: [Self; 14] = [
        Self::Full,
        Self::Unchanged,
        Self::Touched,
        Self::New,
        Self::Restore,
        Self::FarFull,
        Self::FarUnchanged,
        Self::FarRestore,
        Self::Check,
        Self::Deep,
        Self::Recover,
        Self::RecoverOne,
        Self::Plan,
        Self::Prune,
    ];

    /// Whether it is asked of an instance with a single large archive.
    pub fn is_of_an_archive(self) -> bool {
        matches!(self, Self::Recover | Self::RecoverOne | Self::Prune)
    }

    /// Whether archives are unpacked for it.
    pub fn unpacks(self) -> bool {
        matches!(self, Self::Recover | Self::RecoverOne)
    }

    /// Whether it is asked with cold caches too. After the others every file was touched just now,
    /// and a plan looks at none.
    pub fn is_asked_cold(self) -> bool {
        !matches!(self, Self::Touched | Self::New | Self::Plan)
            && !self.is_of_an_archive()
            && !self.is_far()
    }

    /// Whether it is asked of a vault in a bucket.
    pub fn is_far(self) -> bool {
        matches!(self, Self::FarFull | Self::FarUnchanged | Self::FarRestore)
    }
}

/// A command that answers a question.
#[derive(Clone, Debug)]
pub struct Contender {
    pub name: &'static str,
    /// What must be gone before it starts.
    pub wipe: Vec<PathBuf>,
    /// What has to be run before it.
    pub prepare: Vec<Run>,
    pub run: Run,
    /// What it makes or keeps, whose growth is told; and whether that is removed at once.
    pub makes: Option<PathBuf>,
    pub passing: bool,
    /// Where the server that it asks adds a line for each request.
    pub requests: Option<PathBuf>,
}

impl Contender {
    pub(super) fn new(name: &'static str, run: Run) -> Self {
        Self {
            name,
            wipe: Vec::new(),
            prepare: Vec::new(),
            run,
            makes: None,
            passing: false,
            requests: None,
        }
    }

    pub(super) fn makes(mut self, path: &Path) -> Self {
        self.run = self.run.writes(path.parent().unwrap_or(path));
        self.makes = Some(path.to_owned());
        self
    }

    pub(super) fn anew(mut self, places: &[&Path]) -> Self {
        self.wipe = places.iter().map(|place| place.to_path_buf()).collect();
        self
    }

    pub(super) fn after(mut self, run: Run) -> Self {
        self.prepare.push(run);
        self
    }

    pub(super) fn asks(mut self, log: &Path) -> Self {
        self.requests = Some(log.to_owned());
        self
    }

    pub(super) fn passing(mut self) -> Self {
        self.passing = true;
        self
    }
}

/// Where everything is.
pub struct Places {
    program: PathBuf,
    sysconfdir: PathBuf,
    repository: PathBuf,
    /// The folder of this run.
    home: PathBuf,
    dump: Run,
    drop_restored: Run,
    archive: Option<Archive>,
    /// Started when it is needed.
    server: OnceCell<Option<Server>>,
}

/// The single archive of an instance that has no more.
pub(super) struct Archive {
    pub gold: PathBuf,
    /// The tree of what was unpacked from it.
    pub files: PathBuf,
    pub wanted: Wanted,
    /// Where that lies.
    pub blob: PathBuf,
}

impl Places {
    pub fn new(home: &Path, instance: &Instance) -> Result<Self> {
        for folder in ["scratch", "log"] {
            let folder = home.join(folder);
            fs::create_dir_all(&folder).map_err(Error::io("making", &folder))?;
        }
        Ok(Self {
            program: env!("CARGO_BIN_EXE_fo_backup").into(),
            sysconfdir: instance.sample.sysconfdir(),
            repository: instance.repository.path(),
            home: home.to_owned(),
            dump: dump(&instance.cluster, instance.sample.database(), home),
            drop_restored: drop_restored(&instance.cluster),
            archive: None,
            server: OnceCell::new(),
        })
    }

    /// The places of an instance with a single archive.
    pub fn of_an_archive(home: &Path, instance: &Instance) -> Result<Self> {
        let repository = &instance.repository;
        let wanted = repository.wanted()?;
        Ok(Self {
            archive: Some(Archive {
                gold: repository.archive()?,
                files: repository.files(),
                blob: repository.blob(&wanted.name),
                wanted,
            }),
            ..Self::new(home, instance)?
        })
    }

    pub(super) fn archive(&self) -> Option<&Archive> {
        self.archive.as_ref()
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn repository(&self) -> &Path {
        &self.repository
    }

    pub(super) fn dump(&self) -> Run {
        self.dump.clone()
    }

    pub(super) fn server(&self) -> Option<&Server> {
        let started = self.server.get_or_init(|| {
            let started = Server::start(&self.home);
            started
                .inspect_err(|error| eprintln!("bench: {error}"))
                .ok()
        });
        started.as_ref()
    }

    pub fn vault(&self) -> PathBuf {
        self.home.join("vault")
    }

    pub fn log(&self, name: &str) -> PathBuf {
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        self.home.join("log").join(name)
    }

    /// Whether our program has a verb.
    pub fn has_verb(&self, verb: &str) -> bool {
        let help = Command::new(&self.program)
            .args([verb, "--help"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        help.is_ok_and(|status| status.success())
    }

    /// All that can answer the question here.
    pub fn contenders(&self, question: Question) -> Vec<Contender> {
        match question {
            Question::Full => self.full(),
            Question::Unchanged | Question::Touched | Question::New => self.again(),
            Question::Restore => self.restore(),
            Question::FarFull => self.far(Far::First),
            Question::FarUnchanged => self.far(Far::Unchanged),
            Question::FarRestore => self.far(Far::Restore),
            Question::Check => self.check(),
            Question::Deep => self.deep(),
            Question::Recover => self.recover(),
            Question::RecoverOne => self.recover_one(),
            Question::Plan => self.plan(),
            Question::Prune => self.prune(),
            // Asked of a database of its own.
            Question::Dump => Vec::new(),
        }
    }

    fn full(&self) -> Vec<Contender> {
        let (vault, restic, rustic, copy, archive) = (
            self.vault(),
            self.home.join("restic"),
            self.home.join("rustic"),
            self.home.join("copy"),
            self.home.join("archive.tar.zst"),
        );
        let (cache, rustic_cache) = (self.home.join("cache"), self.home.join("rustic-cache"));
        let mut all = self.again();
        for contender in &mut all {
            let again = contender.clone();
            *contender = match contender.name {
                OURS => again.anew(&[&vault]).after(self.ours(["init"])),
                RESTIC => again.anew(&[&restic, &cache]).after(self.restic(["init"])),
                RUSTIC => again
                    .anew(&[&rustic, &rustic_cache])
                    .after(self.rustic(["init"])),
                RSYNC => again.anew(&[&copy]),
                _ => again,
            };
        }
        let tar = format!("tar -C \"$1\" -cf - . | zstd -q -1 -T{} -o \"$2\"", cores());
        let run = Run::shell(&tar, [&self.repository, &archive]);
        all.push(Contender::new(TAR, run).anew(&[&archive]).makes(&archive));
        all
    }

    /// A backup into what a full one has left.
    fn again(&self) -> Vec<Contender> {
        let copy = self.home.join("copy");
        let rsync = Run::new(
            "rsync",
            ["-aH".into(), slash(&self.repository), slash(&copy)],
        );
        let restic = self.restic([OsString::from("backup"), self.repository.clone().into()]);
        let mut all = vec![
            Contender::new(OURS, self.ours(["backup"])).makes(&self.vault()),
            Contender::new(DUMP, self.dump.clone()).anew(&[&self.home.join("dump")]),
            Contender::new(RESTIC, restic).makes(&self.home.join("restic")),
            Contender::new(RSYNC, rsync).makes(&copy),
        ];
        if has("rustic") {
            let rustic = self.rustic([OsString::from("backup"), self.repository.clone().into()]);
            all.push(Contender::new(RUSTIC, rustic).makes(&self.home.join("rustic")));
        }
        all
    }

    fn restore(&self) -> Vec<Contender> {
        let target = self.home.join("restored");
        let mut all = Vec::new();
        if self.has_verb("restore") {
            let ours = |options: &[&str]| {
                let words = ["restore", "latest", "--repository"].map(OsString::from);
                let options = options.iter().map(OsString::from);
                self.ours(
                    words
                        .into_iter()
                        .chain([target.clone().into()])
                        .chain(options),
                )
            };
            all.push(Contender::new(OURS, ours(&["--no-database"])));
            let whole = ours(&["--database", RESTORED]);
            let whole = Contender::new(OURS_WITH_DATABASE, whole);
            all.push(whole.after(self.drop_restored.clone()));
        }
        let words = ["restore", "latest", "--target"].map(OsString::from);
        let restic = self.restic(words.into_iter().chain([target.clone().into()]));
        all.push(Contender::new(RESTIC, restic));
        let rsync = ["-aH".into(), slash(&self.home.join("copy")), slash(&target)];
        all.push(Contender::new(RSYNC, Run::new("rsync", rsync)));
        let tar = "mkdir \"$2\" && zstd -q -dc \"$1\" | tar -C \"$2\" -xf -";
        let archive = self.home.join("archive.tar.zst");
        all.push(Contender::new(TAR, Run::shell(tar, [&archive, &target])));
        if has("rustic") {
            let words = ["restore", "latest"].map(OsString::from);
            let rustic = self.rustic(words.into_iter().chain([target.clone().into()]));
            all.push(Contender::new(RUSTIC, rustic));
        }
        let new = |contender: Contender| contender.anew(&[&target]).makes(&target).passing();
        all.into_iter().map(new).collect()
    }

    fn check(&self) -> Vec<Contender> {
        let mut all = Vec::new();
        if self.has_verb("check") {
            all.push(Contender::new(OURS, self.ours(["check"])));
        }
        // Asked for the size, find looks at each file as a check has to.
        let find = format!(
            "printf '%s\\0' \"$1\"/*/*/* | xargs -0 -n 16 -P {} \
             sh -c 'find \"$@\" -type f -printf \"%s %f\\n\"' sh >/dev/null",
            cores()
        );
        all.push(Contender::new(FIND, Run::shell(&find, [&self.repository])));
        all
    }

    fn deep(&self) -> Vec<Contender> {
        let mut all = Vec::new();
        if self.has_verb("check") {
            all.push(Contender::new(OURS, self.ours(["check", "--deep"])));
        }
        let sums = format!(
            "find \"$1\" -type f -print0 | xargs -0 -n 500 -P {} sha1sum >/dev/null",
            cores()
        );
        all.push(Contender::new(
            SHA1SUM,
            Run::shell(&sums, [&self.repository]),
        ));
        all
    }

    pub(super) fn ours<A: Into<OsString>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        self.ours_at(self.vault(), arguments)
    }

    pub(super) fn ours_at<A: Into<OsString>>(
        &self,
        vault: impl Into<OsString>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Run {
        let fixed: [OsString; 5] = [
            "-q".into(),
            "-c".into(),
            self.sysconfdir.clone().into(),
            "--vault".into(),
            vault.into(),
        ];
        let arguments = arguments.into_iter().map(Into::into);
        Run::new(&self.program, fixed.into_iter().chain(arguments))
            .env("FO_BACKUP_SCRATCH", self.home.join("scratch"))
    }

    pub(super) fn restic<A: Into<OsString>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        let arguments = arguments.into_iter().map(Into::into);
        Run::new(
            "restic",
            [OsString::from("-q")].into_iter().chain(arguments),
        )
        .env("RESTIC_REPOSITORY", self.home.join("restic"))
        .env("RESTIC_CACHE_DIR", self.home.join("cache"))
        .env("RESTIC_PASSWORD", "benchmark")
    }

    pub(super) fn rustic<A: Into<OsString>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        Run::new("rustic", arguments)
            .env("RUSTIC_REPOSITORY", self.home.join("rustic"))
            .env("RUSTIC_CACHE_DIR", self.home.join("rustic-cache"))
            .env("RUSTIC_PASSWORD", "benchmark")
    }
}

/// The dump as fo_backup makes it, into a scratch folder.
fn dump(cluster: &Cluster, database: &str, home: &Path) -> Run {
    let mut file = OsString::from("--file=");
    file.push(home.join("dump"));
    let words = [
        "--format=directory",
        "--compress=0",
        "--no-sync",
        "--jobs=4",
    ];
    let words = words.map(OsString::from).into_iter();
    client(cluster, "pg_dump", words.chain([file, database.into()]))
}

fn drop_restored(cluster: &Cluster) -> Run {
    let drop = format!("DROP DATABASE IF EXISTS {RESTORED}");
    let words = ["--quiet", "--dbname=postgres", "--command", &drop];
    client(cluster, "psql", words.map(OsString::from))
}

/// A program of PostgreSQL's that is to connect as FOSSology does.
fn client(cluster: &Cluster, program: &str, arguments: impl IntoIterator<Item = OsString>) -> Run {
    Run::new(cluster.bin_directory().join(program), arguments)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", cluster.port().to_string())
        .env("PGUSER", Role::Fossy.name())
        .env("PGPASSWORD", cluster.password(Role::Fossy))
}

/// The folder's content rather than the folder, as rsync understands it.
fn slash(folder: &Path) -> OsString {
    folder.join("").into()
}
