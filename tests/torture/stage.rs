// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A world in which all operations can be done, and which can be put back at any time: the vault, its
//! copy, the repository, the databases and our tables in them.

use crate::image::Image;
use crate::operation::Ground;
use crate::scenario::Found;
use crate::support::restored::rows;
use crate::support::scheduler::Job;
use crate::support::servers::{BUCKET, S3Server, s3_settings};
use crate::support::trouble::{files, wait_for};
use crate::support::world::World;
use fossology_backup::demo::sample::{Entry, NewUpload, Options, Random, StoredBlob};
use fossology_backup::demo::{Role, TableDigest};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
/// The content of our tables, as `COPY` gives it.
pub type Tables = BTreeMap<String, Vec<u8>>;

/// A world in which all operations can be done.
pub struct Stage {
    pub world: World,
    /// The database that FOSSology has, whatever its name is at the moment.
    database: u32,
    pub rows: BTreeMap<String, TableDigest>,
    pub needed: Vec<StoredBlob>,
    images: Vec<Image>,
    tables: Tables,
    pub ground: Ground,
    pub server: Option<S3Server>,
    /// What was found to be whole, which need not be read again as long as nobody touches it.
    pub whole: RefCell<BTreeMap<PathBuf, BTreeSet<Touched>>>,
}

/// A file as it was at some time: its path, which file it is, its last change, its size. Whatever is
/// done to a file changes one of these.
pub type Touched = (PathBuf, u64, (i64, i64), u64);

/// All files below a folder, but for leases.
pub fn touched(folder: &Path) -> BTreeSet<Touched> {
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
    pub fn once(&self, folder: &Path, ask: impl FnOnce() -> Found) -> Found {
        let now = touched(folder);
        if self.whole.borrow().get(folder) != Some(&now) {
            ask()?;
            self.whole.borrow_mut().insert(folder.to_owned(), now);
        }
        Ok(())
    }

    /// Where copies of the vault go.
    pub fn far(&self) -> PathBuf {
        self.world.path("far")
    }

    /// A connection that sees all databases.
    pub fn admin(&self) -> postgres::Client {
        let cluster = &self.world.cluster;
        cluster.connect(Role::Superuser, "postgres").unwrap()
    }

    /// Puts everything back as it was at first.
    pub fn begin(&self) {
        self.put_back(&self.images, &self.tables);
    }

    /// Puts everything back as it was when these were looked at.
    pub fn put_back(&self, images: &[Image], tables: &Tables) {
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

    /// What is in our tables now.
    pub fn our_tables(&self) -> Tables {
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
    pub fn snapshots(&self) -> BTreeSet<String> {
        snapshots(&self.world.vault())
    }
}

/// The ids of the snapshots of a vault whose files are there.
pub fn snapshots(vault: &Path) -> BTreeSet<String> {
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
