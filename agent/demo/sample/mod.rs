// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A sample instance of FOSSology: configuration, repository and database, with everything in it
//! that makes backups hard.
//!
//! The same options give the same instance, byte for byte and row for row (passwords, ports and the
//! place aside). Blobs are written before the rows that need them, as FOSSology does; when building
//! dies in the middle, remove the directory and drop the database.

mod archive;
mod content;
mod etc;
mod jobs;
mod keys;
mod record;
mod repository;
mod rows;
mod stock;
mod upload;

pub use archive::{Entry, Format, Member};
pub use content::{Random, source, source_path, source_size};
pub use repository::HostRange;
pub use upload::{GoldStyle, NewUpload, UploadState};

use super::cluster::{Cluster, Role};
use super::{Error, Result};
use crate::blob::{HostName, PfileName, Tree, TreeSet};
use keys::Keys;
use repository::Repository;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use upload::Upload;

/// FOSSology's tables, as far as the sample has them.
const SCHEMA: &str = include_str!("../../../tests/sample/schema.sql");

/// How the sample is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database's name.
    pub database: String,
    /// The database's encoding. FOSSology's container image has SQL_ASCII, where file names keep
    /// bytes that are no UTF-8.
    pub encoding: Encoding,
    /// The lines of `[REPOSITORY]`.
    pub hosts: Vec<HostRange>,
    /// The number of folder levels above a blob.
    pub depth: u8,
    /// All generated content follows from it.
    pub seed: u64,
    /// So many source files more in the largest upload.
    pub extra_files: usize,
}

/// The encoding of the sample's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// No encoding: text is bytes.
    SqlAscii,
    /// UTF-8; names that are none are stored as if they were Latin-1.
    Utf8,
}

impl Default for Options {
    /// Two hosts that share the blobs by their names, depth 3, SQL_ASCII, about 900 blobs.
    fn default() -> Self {
        let hosts = [("alpha", 0x00, 0x7f), ("beta", 0x80, 0xff)];
        Self {
            database: "fossology".to_owned(),
            encoding: Encoding::SqlAscii,
            hosts: hosts.map(|(host, from, to)| range(host, from, to)).into(),
            depth: 3,
            seed: 1,
            extra_files: 0,
        }
    }
}

impl Options {
    /// As most installations are: a single host `localhost`.
    pub fn one_host() -> Self {
        Self {
            hosts: vec![range("localhost", 0x00, 0xff)],
            ..Self::default()
        }
    }
}

fn range(host: &str, from: u8, to: u8) -> HostRange {
    let host = HostName::new(host).expect("a plain word is a host's name");
    HostRange::new(host, from, to)
}

/// A blob of the sample and where it lies or has to lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its name.
    pub name: PfileName,
    /// In which trees.
    pub trees: TreeSet,
    /// One path for each tree, gold first.
    pub paths: Vec<PathBuf>,
}

/// A sample instance. It stays on disk when dropped.
pub struct Sample {
    home: PathBuf,
    options: Options,
    database: postgres::Config,
    url: String,
    repository: Repository,
    keys: Keys,
    /// The key of each pfile row.
    pfiles: BTreeMap<PfileName, i32>,
    uploads: BTreeMap<i32, Upload>,
    orphans: BTreeMap<PfileName, TreeSet>,
}

impl Sample {
    /// Builds the instance below `directory/fossology`, which must not exist yet, with its database in
    /// `cluster`. Files belong to the running user and its group.
    ///
    /// # Errors
    /// When the directory or the database exists, or something cannot be written.
    pub fn build(directory: &Path, cluster: &Cluster, options: Options) -> Result<Self> {
        let mut sample = Self::install(directory, cluster, options)?;
        stock::fill(&mut sample)?;
        Ok(sample)
    }

    /// An instance as it is right after FOSSology's installation: no upload.
    ///
    /// # Errors
    /// As [`Sample::build`].
    pub fn install(directory: &Path, cluster: &Cluster, options: Options) -> Result<Self> {
        let directory = directory
            .canonicalize()
            .map_err(Error::io("looking for", directory))?;
        let home = directory.join("fossology");
        std::fs::create_dir(&home).map_err(Error::io("making", &home))?;
        let path = home.join("repository");
        let repository = Repository::create(&path, &options.hosts, options.depth)?;
        let (user, group) = names_of_us();
        let settings = etc::Settings {
            repository: &path,
            depth: options.depth,
            hosts: &options.hosts,
            database: &options.database,
            database_port: cluster.port(),
            password: cluster.password(Role::Fossy),
            user: &user,
            group: &group,
            // Whatever is free now: nobody must mistake a real scheduler for the sample's.
            scheduler_port: super::cluster::free_port()
                .map_err(Error::io("looking for a free port for", &home))?,
        };
        etc::write(&home, &settings)?;

        let encoding = match options.encoding {
            Encoding::SqlAscii => "SQL_ASCII",
            Encoding::Utf8 => "UTF8",
        };
        cluster.create_database(&options.database, Role::Fossy, encoding)?;
        let mut sample = Self {
            database: cluster.config(Role::Fossy, &options.database),
            url: cluster.url(Role::Fossy, &options.database),
            home,
            options,
            repository,
            keys: Keys::default(),
            pfiles: BTreeMap::new(),
            uploads: BTreeMap::new(),
            orphans: BTreeMap::new(),
        };
        let mut client = sample.connect()?;
        client
            .batch_execute(SCHEMA)
            .map_err(Error::database("making FOSSology's tables"))?;
        sample.found(&mut client)?;
        Ok(sample)
    }

    /// The folder of fossology.conf and Db.conf.
    pub fn sysconfdir(&self) -> PathBuf {
        self.home.join("etc")
    }

    /// The repository's path.
    pub fn repository(&self) -> &Path {
        self.repository.path()
    }

    /// The database's address, with the password.
    pub fn database_url(&self) -> &str {
        &self.url
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.options.database
    }

    /// A connection to the database as FOSSology's role.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn connect(&self) -> Result<postgres::Client> {
        let doing = || format!("connecting to {}", self.options.database);
        let mut client = self
            .database
            .connect(postgres::NoTls)
            .map_err(Error::database(doing()))?;
        if self.options.encoding == Encoding::SqlAscii {
            // Otherwise the server refuses names that are no UTF-8, though it could keep them.
            client
                .batch_execute("SET client_encoding = 'SQL_ASCII'")
                .map_err(Error::database(doing()))?;
        }
        Ok(client)
    }

    /// The key that the last pfile got.
    pub fn last_pfile(&self) -> i32 {
        self.keys.pfile
    }

    /// Lets the next pfile get the key after this one: as after keys that others took and never
    /// used, or after a return to an older state of the database.
    pub fn set_last_pfile(&mut self, key: i32) {
        self.keys.pfile = key;
    }

    /// The keys of all uploads that are not deleted, in their order.
    pub fn uploads(&self) -> Vec<i32> {
        self.uploads.keys().copied().collect()
    }

    /// The key of the first live upload of this file name.
    pub fn upload_named(&self, filename: &str) -> Option<i32> {
        let mut uploads = self.uploads.iter();
        uploads.find_map(|(key, upload)| (upload.filename == filename).then_some(*key))
    }

    /// The blobs that the database needs, by name, and where they have to lie.
    pub fn needed_blobs(&self) -> Vec<StoredBlob> {
        self.stored(&self.needed())
    }

    /// The blobs that one upload needs; none when there is no such live upload.
    pub fn blobs_of(&self, upload: i32) -> Vec<StoredBlob> {
        let trees = self.uploads.get(&upload).map(Upload::needs);
        self.stored(&trees.unwrap_or_default())
    }

    /// The blobs that lie in the repository though nothing needs them.
    pub fn orphans(&self) -> Vec<StoredBlob> {
        self.stored(&self.orphans)
    }

    fn needed(&self) -> BTreeMap<PfileName, TreeSet> {
        let mut needed = BTreeMap::new();
        for upload in self.uploads.values() {
            for (name, trees) in upload.needs() {
                let all: &mut TreeSet = needed.entry(name).or_default();
                *all = all.union(trees);
            }
        }
        needed
    }

    fn stored(&self, blobs: &BTreeMap<PfileName, TreeSet>) -> Vec<StoredBlob> {
        let stored = |(name, trees): (&PfileName, &TreeSet)| StoredBlob {
            name: *name,
            trees: *trees,
            paths: trees
                .iter()
                .map(|tree: Tree| self.repository.blob(tree, name))
                .collect(),
        };
        blobs.iter().map(stored).collect()
    }
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample")
            .field("home", &self.home)
            .field("options", &self.options)
            .field("uploads", &self.uploads())
            .finish_non_exhaustive()
    }
}

/// The running user's name and that of its group, as fossology.conf names the project's.
fn names_of_us() -> (String, String) {
    use nix::unistd::{Group, User, getegid, geteuid};
    let (user, group) = (geteuid(), getegid());
    let user = match User::from_uid(user) {
        Ok(Some(known)) => known.name,
        _ => user.to_string(),
    };
    let group = match Group::from_gid(group) {
        Ok(Some(known)) => known.name,
        _ => group.to_string(),
    };
    (user, group)
}
