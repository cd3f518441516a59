// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The instance that is backed up: a repository of so many files, made once for each set of
//! parameters and used again, and its database, filled anew in every run.
//!
//! A repository that is there counts only with its mark, which is written last; without it,
//! because the run before died, it is made from the beginning.

use super::error::{Error, Result};
use super::packer::Packer;
use super::rows::{Rows, SEQUENCES, TABLES};
use super::source::{self, Project, Words};
use fossology_backup::blob::{PfileName, Tree, digest};
use fossology_backup::demo::sample::{Options, Random, Sample};
use fossology_backup::demo::{Cluster, ClusterOptions};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Changes whenever the same parameters give something else than before.
const VERSION: u32 = 1;

/// How many files an upload has, where there are many.
const PROJECT: usize = 5_000;

/// What an instance is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Files, gold aside.
    pub files: usize,
    /// Every size is divided by this.
    pub shrink: usize,
    /// How they were uploaded.
    pub uploads: Uploads,
    /// A real archive (.tar.xz) whose files are the only upload, instead of generated ones.
    pub archive: Option<PathBuf>,
}

/// How files were uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploads {
    /// By some thousands, in archives of tar and zstd.
    Many,
    /// All in a single one of tar and xz, as most source code is published.
    One,
}

impl Parameters {
    fn projects(&self) -> usize {
        self.files.div_ceil(self.project())
    }

    /// How many files an upload has.
    fn project(&self) -> usize {
        match self.uploads {
            Uploads::Many => PROJECT,
            Uploads::One => self.files,
        }
    }

    fn name(&self) -> String {
        if let Some(archive) = &self.archive {
            let file = archive.file_name().unwrap_or_default().to_string_lossy();
            return format!("repository-v{VERSION}-{file}");
        }
        let one = match self.uploads {
            Uploads::Many => "",
            Uploads::One => "-one",
        };
        format!("repository-v{VERSION}-{}-{}{one}", self.files, self.shrink)
    }
}

/// A file of a single archive, and how far the archive has to be read for it.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub struct Wanted {
    pub name: PfileName,
    /// How many bytes of the tar are there at its end.
    pub end: u64,
}

/// How large a repository is.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Size {
    pub files: u64,
    pub file_bytes: u64,
    pub gold: u64,
    pub gold_bytes: u64,
}

/// A generated repository and the rows that belong to it.
pub struct Repository {
    home: PathBuf,
    parameters: Parameters,
    pub size: Size,
}

impl Repository {
    /// Makes the repository below `scratch`, or takes the one that is there.
    pub fn generate(scratch: &Path, parameters: Parameters) -> Result<Self> {
        let home = scratch.join(parameters.name());
        let mark = home.join("complete.json");
        if let Ok(text) = fs::read(&mark) {
            let size = serde_json::from_slice(&text).map_err(|error| Error::Json(mark, error))?;
            let repository = Self {
                home,
                parameters,
                size,
            };
            repository.remove_added()?;
            return Ok(repository);
        }
        if home.exists() {
            fs::remove_dir_all(&home).map_err(Error::io("removing", &home))?;
        }
        match &parameters.archive {
            Some(archive) => eprintln!(
                "making a repository of {} in {}",
                archive.display(),
                home.display()
            ),
            None => eprintln!(
                "making a repository of {} files in {}",
                parameters.files,
                home.display()
            ),
        }
        let root = home.join("repository");
        make_folder(&root)?;
        // What is made below inherits group and bit, as in FOSSology's repository.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o2770))
            .map_err(Error::io("setting the mode of", &root))?;
        let mut repository = Self {
            home,
            parameters,
            size: Size::default(),
        };
        let umask = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o007));
        let made = repository.fill();
        nix::sys::stat::umask(umask);
        repository.size = made?;
        let text = serde_json::to_vec(&repository.size)
            .map_err(|error| Error::Json(mark.clone(), error))?;
        fs::write(&mark, text).map_err(Error::io("writing", &mark))?;
        Ok(repository)
    }

    /// The single archive's gold.
    pub fn archive(&self) -> Result<PathBuf> {
        let gold = self.path().join("localhost").join(Tree::Gold.as_str());
        let mut files = walkdir::WalkDir::new(&gold).into_iter().flatten();
        let file = files.find(|entry| entry.file_type().is_file());
        file.map(walkdir::DirEntry::into_path)
            .ok_or_else(|| Error::Usage(format!("{} has no archive", gold.display())))
    }

    /// The file in the middle of the single archive.
    pub fn wanted(&self) -> Result<Wanted> {
        let path = self.home.join("wanted.json");
        let text = fs::read(&path).map_err(Error::io("reading", &path))?;
        serde_json::from_slice(&text).map_err(|error| Error::Json(path, error))
    }

    /// Where a blob lies.
    pub fn blob(&self, name: &PfileName) -> PathBuf {
        self.place(Tree::Files, name)
    }

    /// The tree of unpacked files.
    pub fn files(&self) -> PathBuf {
        self.path().join("localhost").join(Tree::Files.as_str())
    }

    /// The repository's path, as in fossology.conf.
    pub fn path(&self) -> PathBuf {
        self.home.join("repository")
    }

    fn fill(&self) -> Result<Size> {
        if let Some(archive) = &self.parameters.archive {
            return self.unpack(archive);
        }
        let words = Words::new();
        let next = AtomicUsize::new(0);
        let total = Mutex::new(Size::default());
        let work = || -> Result<()> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.parameters.projects() {
                    return Ok(());
                }
                let size = self.project(&words, number)?;
                let mut total = total.lock().unwrap_or_else(|error| error.into_inner());
                total.files += size.files;
                total.file_bytes += size.file_bytes;
                total.gold += size.gold;
                total.gold_bytes += size.gold_bytes;
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..super::machine::cores())
                .map(|_| scope.spawn(work))
                .collect();
            workers.into_iter().try_for_each(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })?;
        Ok(total
            .into_inner()
            .unwrap_or_else(|error| error.into_inner()))
    }

    /// Writes an upload: its files, then the archive that they came from, as gold and, under a second
    /// name, among the files. Keys follow from the project's number, in the order in which FOSSology
    /// gives them out: the archive's first.
    fn project(&self, words: &Words, number: usize) -> Result<Size> {
        let mut random = Random::new(number as u64 ^ 0xbe9c);
        let project = Project::new(words, &mut random);
        let most = self.parameters.project();
        let files = most.min(self.parameters.files - number * most);
        let first_key = number * (most + 1) + 1;
        let mut rows = Rows::new(number + 1, first_key, first_key + 1);
        let mut size = Size::default();
        let packing = |error| Error::io("packing", Path::new("an upload's archive"))(error);
        let packer = Packer::start(self.parameters.uploads).map_err(packing)?;
        let mut archive = tar::Builder::new(packer);
        let mut end = 0;
        for index in 0..files {
            let wanted = source::size(&mut random) / self.parameters.shrink;
            let content = project.file(&mut random, wanted);
            let inside = format!("project-{number}/part{}/file_{index}.c", index / 40);
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, &inside, &content[..])
                .map_err(packing)?;
            let name = digest(&content);
            self.write(Tree::Files, &name, &content)?;
            rows.file(index, &name, &content, &inside);
            end += (512 + content.len() as u64).next_multiple_of(512);
            if self.parameters.uploads == Uploads::One && index == files / 2 {
                self.note(Wanted { name, end })?;
            }
            size.files += 1;
            size.file_bytes += name.size();
        }
        let archive = archive
            .into_inner()
            .and_then(Packer::finish)
            .map_err(packing)?;
        self.finish_upload(number, rows, &archive, files, &mut size)?;
        Ok(size)
    }

    /// Writes an upload's archive, as gold and, under a second name, among the files, and the rows.
    pub(super) fn finish_upload(
        &self,
        number: usize,
        mut rows: Rows,
        archive: &[u8],
        files: usize,
        size: &mut Size,
    ) -> Result<()> {
        let name = digest(archive);
        let gold = self.write(Tree::Gold, &name, archive)?;
        let link = self.place(Tree::Files, &name);
        make_parent(&link)?;
        fs::hard_link(&gold, &link).map_err(Error::io("linking", &link))?;
        rows.gold(&name, archive, files, self.parameters.uploads);
        size.gold += 1;
        size.gold_bytes += name.size();
        for (table, text) in rows.tables {
            let path = self.rows(table).join(format!("{number:06}"));
            make_parent(&path)?;
            fs::write(&path, text).map_err(Error::io("writing", &path))?;
        }
        Ok(())
    }

    pub(super) fn note(&self, wanted: Wanted) -> Result<()> {
        let path = self.home.join("wanted.json");
        let text = serde_json::to_vec(&wanted).map_err(|error| Error::Json(path.clone(), error))?;
        fs::write(&path, text).map_err(Error::io("writing", &path))
    }

    fn rows(&self, table: &str) -> PathBuf {
        self.home.join("rows").join(table)
    }

    fn place(&self, tree: Tree, name: &PfileName) -> PathBuf {
        let mut path = self.path().join("localhost").join(tree.as_str());
        path.push(name.folders(3));
        path.push(name.to_string());
        path
    }

    pub(super) fn write(&self, tree: Tree, name: &PfileName, content: &[u8]) -> Result<PathBuf> {
        let path = self.place(tree, name);
        make_parent(&path)?;
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o660)
            .open(&path)
            .and_then(|mut file| file.write_all(content))
            .map_err(Error::io("writing", &path))?;
        Ok(path)
    }

    /// Where the names of added files are noted, before they are written.
    fn added(&self) -> PathBuf {
        self.home.join("added")
    }

    /// Removes what [`Instance::add`] has added, for the next run begins as the first one did.
    fn remove_added(&self) -> Result<()> {
        let list = self.added();
        for path in fs::read_to_string(&list).unwrap_or_default().lines() {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("removing", Path::new(path))(error));
                }
                _ => {}
            }
        }
        fs::write(&list, "").map_err(Error::io("writing", &list))
    }
}

/// A running instance: repository, database, configuration.
pub struct Instance {
    pub repository: Repository,
    pub sample: Sample,
    pub cluster: Cluster,
    /// How many files were added, and in how many goes.
    added: (usize, usize),
}

impl Instance {
    /// Makes configuration and database for a repository below `home`, an empty folder.
    pub fn start(home: &Path, repository: Repository) -> Result<Self> {
        let durable = ClusterOptions {
            durable: true,
            ..ClusterOptions::default()
        };
        let cluster = Cluster::start_with(home, &durable)?;
        let sample = Sample::install(home, &cluster, Options::one_host())?;
        // The sample's own repository is empty; the configuration has to name the large one.
        let conf = sample.sysconfdir().join("fossology.conf");
        let text = fs::read_to_string(&conf).map_err(Error::io("reading", &conf))?;
        let old = format!("\npath = {}\n", sample.repository().display());
        let new = format!("\npath = {}\n", repository.path().display());
        fs::write(&conf, text.replace(&old, &new)).map_err(Error::io("writing", &conf))?;
        let instance = Self {
            repository,
            sample,
            cluster,
            added: (0, 0),
        };
        instance.load()?;
        Ok(instance)
    }

    fn load(&self) -> Result<()> {
        let mut client = self.sample.connect()?;
        let mut transaction = client.transaction()?;
        for (table, columns) in TABLES {
            let mut copy = transaction.copy_in(&format!("COPY {table} ({columns}) FROM STDIN"))?;
            for number in 0..self.repository.parameters.projects() {
                let path = self.repository.rows(table).join(format!("{number:06}"));
                File::open(&path)
                    .and_then(|mut rows| io::copy(&mut rows, &mut copy))
                    .map_err(Error::io("sending", &path))?;
            }
            copy.finish()?;
        }
        transaction.batch_execute(SEQUENCES)?;
        transaction.commit()?;
        // As the server's own upkeep leaves a database that is in use.
        client.batch_execute("VACUUM ANALYZE")?;
        Ok(())
    }

    /// Uploads a thousandth of the files again with new content.
    pub fn add(&mut self) -> Result<()> {
        let (before, goes) = self.added;
        let count = self.repository.parameters.files.div_ceil(1_000);
        let mut random = Random::new(goes as u64 ^ 0xadd);
        let words = Words::new();
        let project = Project::new(&words, &mut random);
        let parameters = &self.repository.parameters;
        let first = parameters.projects() * (parameters.project() + 1) + 1 + before;
        let mut rows = Rows::new(1, 1, first);
        let mut blobs = Vec::new();
        let mut list = String::new();
        for index in 0..count {
            let wanted = source::size(&mut random) / self.repository.parameters.shrink;
            let content = project.file(&mut random, wanted);
            let name = digest(&content);
            let path = self.repository.place(Tree::Files, &name);
            list.push_str(&format!("{}\n", path.display()));
            rows.file(index, &name, &content, "new/file.c");
            blobs.push((name, content));
        }
        let path = self.repository.added();
        File::options()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(list.as_bytes()))
            .map_err(Error::io("writing", &path))?;
        for (name, content) in &blobs {
            self.repository.write(Tree::Files, name, content)?;
        }
        let mut client = self.sample.connect()?;
        let mut transaction = client.transaction()?;
        for (table, columns) in TABLES {
            let Some(text) = rows.text(table) else {
                continue;
            };
            let mut copy = transaction.copy_in(&format!("COPY {table} ({columns}) FROM STDIN"))?;
            copy.write_all(text.as_bytes())
                .map_err(Error::io("sending rows to", Path::new(table)))?;
            copy.finish()?;
        }
        transaction.batch_execute(SEQUENCES)?;
        transaction.commit()?;
        self.added = (before + count, goes + 1);
        Ok(())
    }
}

fn make_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) if !folder.is_dir() => make_folder(folder),
        _ => Ok(()),
    }
}

fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o770)
        .create(path)
        .map_err(Error::io("making", path))
}
