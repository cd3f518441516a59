// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The operations that are tortured, each from a state that can be put back at any time, and what
//! has to be true whatever happened to it.

use crate::image::Image;
use crate::support::pruned::{prune, pruned};
use crate::support::restored::{lose_repository, rows};
use crate::support::scheduler::{Agent, Job};
use crate::support::servers::{BUCKET, S3Server, s3_settings};
use crate::support::trouble::{files, wait_for};
use crate::support::verified::verify_all;
use crate::support::world::World;
use fossology_backup::blob::{PfileName, Tree, digest};
use fossology_backup::demo::sample::{Entry, NewUpload, Options, Random, StoredBlob};
use fossology_backup::demo::{Role, TableDigest};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is done, and may be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Init,
    Backup,
    Gold,
    Restore,
    Recover,
    Prune,
    Expire,
    Verify,
    Check,
    Copy,
    Drill,
    /// A backup that FOSSology's scheduler starts.
    Job,
    SealedBackup,
    SealedRestore,
    BucketBackup,
    BucketRestore,
}

/// What a vault is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    Folder,
    /// A folder, and encrypted.
    Sealed,
    /// A bucket on a server of this host.
    Bucket,
}

impl Operation {
    /// What people call by a command, with a vault in a folder.
    pub const COMMANDS: [Self; 13] = [
        Self::Init,
        Self::Backup,
        Self::Gold,
        Self::Restore,
        Self::Recover,
        Self::Prune,
        Self::Expire,
        Self::Verify,
        Self::Check,
        Self::Copy,
        Self::Drill,
        Self::SealedBackup,
        Self::SealedRestore,
    ];

    pub fn ground(self) -> Ground {
        match self {
            Self::SealedBackup | Self::SealedRestore => Ground::Sealed,
            Self::BucketBackup | Self::BucketRestore => Ground::Bucket,
            _ => Ground::Folder,
        }
    }

    /// How people call it.
    pub fn command(self) -> &'static [&'static str] {
        match self {
            Self::Init => &["init"],
            Self::Backup | Self::Job | Self::SealedBackup | Self::BucketBackup => &["backup"],
            Self::Gold => &["backup", "--mode", "gold"],
            Self::Restore | Self::SealedRestore | Self::BucketRestore => &["restore", "latest"],
            Self::Recover => &["recover", "--missing"],
            Self::Prune => &["prune", "--policy", "gold-only", "--yes"],
            Self::Expire => &[
                "expire",
                "--keep-last",
                "1",
                "--max-dead",
                "0",
                "--grace",
                "0d",
            ],
            Self::Verify => &["verify", "--read-data"],
            Self::Check => &["check", "--deep"],
            Self::Copy => &["copy"],
            // A share of the blobs: all of them take the time of many other tries.
            Self::Drill => &["drill", "--sample", "10%"],
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Gold => "backup of gold",
            Self::Job => "backup as a job",
            Self::SealedBackup => "encrypted backup",
            Self::SealedRestore => "encrypted restore",
            Self::BucketBackup => "backup into a bucket",
            Self::BucketRestore => "restore from a bucket",
            other => other.command()[0],
        }
    }
}

/// What is wrong, or nothing.
pub type Found<T = ()> = Result<T, String>;

macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

/// The content of our tables, as `COPY` gives it.
type Tables = BTreeMap<String, Vec<u8>>;

/// A world in which all operations can be done.
pub struct Stage {
    pub world: World,
    /// The database that FOSSology has, whatever its name is at the moment.
    database: u32,
    rows: BTreeMap<String, TableDigest>,
    needed: Vec<StoredBlob>,
    images: Vec<Image>,
    tables: Tables,
    pub ground: Ground,
    pub server: Option<S3Server>,
    /// What was found to be whole, which need not be read again as long as nobody touches it.
    whole: RefCell<BTreeMap<PathBuf, BTreeSet<Touched>>>,
}

/// A file as it was at some time: its path, which file it is, its last change, its size. Whatever is
/// done to a file changes one of these.
type Touched = (PathBuf, u64, (i64, i64), u64);

/// All files below a folder, but for leases.
fn touched(folder: &Path) -> BTreeSet<Touched> {
    let walk = walkdir::WalkDir::new(folder).into_iter();
    let files = walk.map(Result::unwrap).filter_map(|entry| {
        let meta = entry.metadata().unwrap();
        let path = entry.into_path();
        let counts = meta.is_file() && !path.starts_with(folder.join("locks"));
        let changed = (meta.ctime(), meta.ctime_nsec());
        counts.then(|| (path, meta.ino(), changed, meta.size()))
    });
    files.collect()
}

impl Stage {
    /// Two hosts, a full snapshot of which a part is not needed any more, one of gold, and an upload
    /// that no snapshot has.
    pub fn new(ground: Ground) -> Self {
        let mut world = World::with(Options::default());
        let mut more = "[prune]\nempty_folders = true\n".to_owned();
        let mut server = None;
        match ground {
            Ground::Folder => more += &format!("[offsite]\nlocation = {:?}\n", world.path("far")),
            Ground::Sealed => world.seal(),
            Ground::Bucket => {
                // In a thread of its own: who traces waits for all that its own thread has started.
                let root = world.path("s3");
                let start = std::thread::spawn(move || S3Server::start(root, &[]));
                let started = start.join().unwrap();
                let port = started.port;
                more += &s3_settings(port).replace("give_up_after = 20", "give_up_after = 3");
                world.put_vault_on(&format!("s3://{BUCKET}/x"), started.bucket().join("x"));
                server = Some(started);
            }
        }
        world.enable_agent();
        world.write_settings(&more);
        let settings = world.sample().sysconfdir().join("fo_backup.toml");
        std::fs::set_permissions(settings, Permissions::from_mode(0o600)).unwrap();
        world.init();
        let mut random = Random::new(3);
        let noise = (0..300_000).map(|_| random.number() as u8).collect();
        let sample = world.sample_mut();
        let file = Entry::File(noise);
        sample
            .add_upload(NewUpload::new("noise.bin", file))
            .unwrap();
        let goes = NewUpload::sources("goes.tar.gz", 12, 60);
        let goes = sample.add_upload(goes).unwrap();
        world.backup("full");
        world.sample_mut().delete_upload(goes, 0).unwrap();
        world.backup("gold");
        // The first job of a version enters it in FOSSology's table of agents.
        let first = world.ask("verify", "{}");
        let arguments = format!("--request={first}");
        let job = Job {
            id: 57,
            arguments: &arguments,
            ..Job::default()
        };
        world.run_job(job).expect(0);
        let new = NewUpload::sources("new.tar.gz", 13, 40);
        world.sample_mut().add_upload(new).unwrap();
        let mut client = world.sample().connect().unwrap();
        let database = "SELECT oid FROM pg_database WHERE datname = current_database()";
        let mut stage = Self {
            database: client.query_one(database, &[]).unwrap().get(0),
            rows: rows(&mut client),
            needed: world.sample().needed_blobs(),
            images: Vec::new(),
            tables: Tables::new(),
            ground,
            server,
            whole: RefCell::default(),
            world,
        };
        stage.images = stage.look();
        stage.tables = stage.our_tables();
        stage
    }

    /// The vault, its copy and the repository as they are now.
    pub fn look(&self) -> Vec<Image> {
        let vault = match &self.server {
            Some(server) => server.root.clone(),
            None => self.world.vault(),
        };
        let folders = [
            vault,
            self.far(),
            self.world.sample().repository().to_owned(),
        ];
        folders.iter().map(|folder| Image::load(folder)).collect()
    }

    /// Asks whether a folder is whole, unless that was found out and nobody has touched it since.
    fn once(&self, folder: &Path, ask: impl FnOnce() -> Found) -> Found {
        let now = touched(folder);
        if self.whole.borrow().get(folder) != Some(&now) {
            ask()?;
            self.whole.borrow_mut().insert(folder.to_owned(), now);
        }
        Ok(())
    }

    /// Where copies of the vault go.
    fn far(&self) -> PathBuf {
        self.world.path("far")
    }

    /// An operation in the state from which it begins.
    pub fn scenario(&self, operation: Operation) -> Scenario<'_> {
        self.put_back(&self.images, &self.tables);
        let world = &self.world;
        match operation {
            Operation::Init => std::fs::remove_dir_all(world.vault()).unwrap(),
            Operation::Backup
            | Operation::Gold
            | Operation::Verify
            | Operation::Check
            | Operation::Drill
            | Operation::Job
            | Operation::SealedBackup
            | Operation::BucketBackup => {}
            Operation::Copy => {
                // Some is there already.
                world.call(&["copy"]).expect(0);
                world.backup("full");
            }
            Operation::Restore | Operation::SealedRestore | Operation::BucketRestore => {
                world.backup("full");
                lose_repository(world);
            }
            Operation::Recover => drop(prune(world, &["--policy", "gold-only"], 0)),
            Operation::Prune => {
                // Proofs are made once.
                prune(world, &["--policy", "gold-only"], 0);
                world.call(&["recover", "--missing"]).expect(0);
            }
            Operation::Expire => drop(world.backup("full")),
        }
        let request = match operation {
            Operation::Job => world.ask("backup", "{}"),
            _ => 0,
        };
        Scenario {
            stage: self,
            operation,
            request,
            images: self.look(),
            tables: self.our_tables(),
            snapshots: self.snapshots(),
        }
    }

    fn admin(&self) -> postgres::Client {
        let cluster = &self.world.cluster;
        cluster.connect(Role::Superuser, "postgres").unwrap()
    }

    fn put_back(&self, images: &[Image], tables: &Tables) {
        self.put_back_database(tables);
        for image in images {
            image.store(&image.disk);
        }
        for entry in std::fs::read_dir(self.world.path("scratch")).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => std::fs::remove_dir_all(path).unwrap(),
                false => std::fs::remove_file(path).unwrap(),
            }
        }
    }

    /// No session of a dead run is left when this returns.
    pub fn wait_for_sessions(&self) {
        let mut admin = self.admin();
        let query = "SELECT count(*) FROM pg_stat_activity
                      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        wait_for("the dead run's sessions to end", || {
            let count: i64 = admin.query_one(query, &[]).unwrap().get(0);
            (count == 0).then_some(())
        });
    }

    fn put_back_database(&self, tables: &Tables) {
        self.wait_for_sessions();
        let mut admin = self.admin();
        let named = self.world.sample().database();
        let all =
            "SELECT oid, quote_ident(datname) FROM pg_database WHERE datname LIKE 'fossology%'";
        for row in admin.query(all, &[]).unwrap() {
            let (oid, name): (u32, String) = (row.get(0), row.get(1));
            if oid != self.database {
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                admin.batch_execute(&drop).unwrap();
            }
        }
        let name = "SELECT datname::text FROM pg_database WHERE oid = $1";
        let name: String = admin.query_one(name, &[&self.database]).unwrap().get(0);
        if name != named {
            let rename = format!("ALTER DATABASE {name} RENAME TO {named}");
            admin.batch_execute(&rename).unwrap();
        }
        let mut client = self.superuser();
        let names: Vec<&str> = tables.keys().map(String::as_str).collect();
        client
            .batch_execute(&format!(
                "SET session_replication_role = replica; TRUNCATE {}",
                names.join(", ")
            ))
            .unwrap();
        for (name, content) in tables {
            let mut writer = client.copy_in(&format!("COPY {name} FROM STDIN")).unwrap();
            writer.write_all(content).unwrap();
            writer.finish().unwrap();
        }
    }

    fn superuser(&self) -> postgres::Client {
        let name = self.world.sample().database();
        self.world.cluster.connect(Role::Superuser, name).unwrap()
    }

    fn our_tables(&self) -> Tables {
        let mut client = self.superuser();
        let query = "SELECT relname::text FROM pg_class
                      WHERE relkind = 'r' AND relname LIKE 'backup\\_%'";
        let names = client.query(query, &[]).unwrap();
        names
            .iter()
            .map(|row| {
                let name: String = row.get(0);
                let mut content = Vec::new();
                let copy = format!("COPY {name} TO STDOUT");
                let mut reader = client.copy_out(&copy).unwrap();
                reader.read_to_end(&mut content).unwrap();
                drop(reader);
                (name, content)
            })
            .collect()
    }

    /// The ids of the snapshots whose files are there.
    fn snapshots(&self) -> BTreeSet<String> {
        snapshots(&self.world.vault())
    }
}

fn snapshots(vault: &Path) -> BTreeSet<String> {
    let folder = vault.join("snapshots");
    if !folder.is_dir() {
        return BTreeSet::new();
    }
    let stems = files(&folder).into_iter().map(|path| {
        let stem = path.file_stem().unwrap();
        stem.to_str().unwrap().to_owned()
    });
    stems.collect()
}

/// Every object of a vault in a folder is what it has to be, to the last byte.
fn folder_is_whole(path: &Path) -> Found {
    let report = verify_all(path)?;
    let damage = report.damage;
    ensure!(damage.is_empty(), "the vault is damaged: {damage:?}");
    let broken = report.snapshots.iter().find(|one| !one.whole);
    ensure!(broken.is_none(), "{broken:?} is not whole");
    Ok(())
}

/// An operation and the state from which it begins.
pub struct Scenario<'a> {
    pub stage: &'a Stage,
    pub operation: Operation,
    /// What the scheduler's job is asked for.
    request: i32,
    images: Vec<Image>,
    tables: Tables,
    snapshots: BTreeSet<String>,
}

impl Scenario<'_> {
    pub fn world(&self) -> &World {
        &self.stage.world
    }

    /// Puts everything back as it was before.
    pub fn begin(&self) {
        self.stage.put_back(&self.images, &self.tables);
        self.stage.wait_for_sessions();
    }

    pub fn command(&self) -> Command {
        self.world().command(self.operation.command())
    }

    /// The agent of the operation's job, as the scheduler starts it.
    pub fn start_agent(&self) -> Agent {
        self.world().start_agent(Job {
            id: 57,
            arguments: &format!("--request={}", self.request),
            ..Job::default()
        })
    }

    /// From the beginning to the end. Code and what was said.
    pub fn run(&self) -> (i32, String) {
        if self.operation == Operation::Job {
            let ended = self.start_agent().serve();
            return (ended.exit, ended.log.join("\n"));
        }
        let called = self.world().call(self.operation.command());
        (called.code, called.stdout + &called.stderr)
    }

    /// Nothing was lost and nothing wrong is there, whatever happened to the operation.
    pub fn nothing_is_lost(&self) -> Found {
        self.vault_is_whole()?;
        let far = self.stage.far();
        if far.join("vault.json").exists() {
            let whole = self.stage.once(&far, || folder_is_whole(&far));
            whole.map_err(|why| format!("the copy: {why}"))?;
        }
        self.repository_is_whole()?;
        let mut client = self
            .stage
            .world
            .sample()
            .connect()
            .map_err(|e| e.to_string())?;
        ensure!(
            rows(&mut client) == self.stage.rows,
            "the database has other rows"
        );
        Ok(())
    }

    fn vault_is_whole(&self) -> Found {
        let path = self.world().vault();
        if self.operation == Operation::Init && !path.join("vault.json").exists() {
            return Ok(());
        }
        self.stage.once(&path, || match self.stage.ground {
            Ground::Folder => folder_is_whole(&path),
            // It takes the key, or what the server says.
            Ground::Sealed | Ground::Bucket => {
                let called = self.world().call(&["verify", "--read-data"]);
                let (code, said) = (called.code, called.stdout + &called.stderr);
                ensure!(code == 0, "verify ends with {code}: {said}");
                Ok(())
            }
        })?;
        let there = self.stage.snapshots();
        let moments = |ids: &BTreeSet<String>| -> BTreeSet<String> {
            ids.iter().map(|id| id[..16].to_owned()).collect()
        };
        let (now, before) = (moments(&there), moments(&self.snapshots));
        let lost = match self.operation {
            // The newest of each mode stays, maybe under another id.
            Operation::Expire => before
                .iter()
                .next_back()
                .is_some_and(|id| !now.contains(id)),
            _ => !there.is_superset(&self.snapshots),
        };
        ensure!(
            !lost,
            "snapshots are gone: {there:?} of {:?}",
            self.snapshots
        );
        Ok(())
    }

    /// What has a blob's name is that blob, and what is needed is there unless it may be missing.
    fn repository_is_whole(&self) -> Found {
        let repository = self.world().sample().repository();
        let mut whole = self.stage.whole.borrow_mut();
        let known = whole.entry(repository.to_owned()).or_default();
        let now = touched(repository);
        for (path, ..) in now.difference(known) {
            let name = path.file_name().unwrap().to_str().unwrap_or_default();
            if let Ok(name) = name.parse::<PfileName>() {
                let content = std::fs::read(path).map_err(|error| error.to_string())?;
                ensure!(
                    digest(&content) == name,
                    "{} has {} bytes of something else",
                    path.display(),
                    content.len()
                );
            }
        }
        *known = now;
        let missing = self.missing();
        let may = match self.operation {
            Operation::Restore | Operation::SealedRestore | Operation::BucketRestore => {
                return Ok(());
            }
            Operation::Prune | Operation::Recover => pruned(self.world()),
            _ => BTreeSet::new(),
        };
        let lost: Vec<_> = missing.difference(&may).collect();
        ensure!(lost.is_empty(), "missing and not known as pruned: {lost:?}");
        Ok(())
    }

    fn missing(&self) -> BTreeSet<PfileName> {
        let there = |path: &PathBuf| path.exists();
        let blobs = self.stage.needed.iter();
        blobs
            .filter(|blob| {
                let gold_is_gone = blob.trees.contains(Tree::Gold) && !there(&blob.paths[0]);
                gold_is_gone || !blob.paths.iter().all(there)
            })
            .map(|blob| blob.name)
            .collect()
    }

    /// The same command again does what it was to do.
    pub fn finishes(&self) -> Found {
        // Those of this test's own questions, too: a restore refuses to work beside others.
        self.stage.wait_for_sessions();
        let (code, said) = self.run();
        ensure!(
            code == 0,
            "the same command again ends with {code}:\n{said}"
        );
        self.stage.wait_for_sessions();
        self.is_done()
    }

    /// What the operation was to do is done.
    pub fn is_done(&self) -> Found {
        self.nothing_is_lost()?;
        let (missing, known) = (self.missing(), pruned(self.world()));
        match self.operation {
            Operation::Prune => {
                ensure!(!missing.is_empty() && missing == known, "not all is pruned");
            }
            _ => ensure!(missing.is_empty(), "still missing: {missing:?}"),
        }
        let (before, now) = (&self.snapshots, self.stage.snapshots());
        match self.operation {
            Operation::Backup
            | Operation::Gold
            | Operation::Job
            | Operation::SealedBackup
            | Operation::BucketBackup => {
                ensure!(now.len() > before.len(), "there is no new snapshot");
            }
            Operation::Copy => {
                let far = snapshots(&self.stage.far());
                ensure!(
                    far == now && now == *before,
                    "{far:?} were copied of {now:?}"
                );
            }
            Operation::Drill => {
                ensure!(now == *before, "other snapshots are there: {now:?}");
                let scratch = std::fs::read_dir(self.world().path("scratch")).unwrap();
                ensure!(scratch.count() == 0, "the drill left something");
                let query = "SELECT count(*) FROM pg_database WHERE datname LIKE '%drill%'";
                let left: i64 = self.stage.admin().query_one(query, &[]).unwrap().get(0);
                ensure!(left == 0, "the drill left a database");
            }
            Operation::Expire => ensure!(now.len() == 2, "{now:?} are there"),
            Operation::Init => {
                ensure!(
                    self.world().vault().join("vault.json").exists(),
                    "there is no vault"
                );
            }
            _ => ensure!(now == *before, "other snapshots are there: {now:?}"),
        }
        Ok(())
    }

    /// A deep check finds nothing that harms.
    pub fn check_is_clean(&self) -> Found {
        let called = self.world().call(&["--json", "check", "--deep"]);
        ensure!(
            called.code == 0,
            "check ends with {}:\n{}",
            called.code,
            called.stdout
        );
        let report: Value = serde_json::from_str(&called.stdout).map_err(|e| e.to_string())?;
        let kinds = report["counts"].as_object().unwrap().keys();
        let harmless = ["debris", "orphan", "pruned", "in_flight"];
        let bad: Vec<_> = kinds
            .filter(|kind| !harmless.contains(&kind.as_str()))
            .collect();
        ensure!(bad.is_empty(), "check found {bad:?}");
        Ok(())
    }
}
