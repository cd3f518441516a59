// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Archives made by the real tools, and a seeker that remembers what it was given.

use fossology_backup::blob::{PfileName, digest};
use fossology_backup::unpack::{
    Content, Limits, Options, ProblemKind, Seeker, Source, Walked, walk,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

/// Enough for everything that is not hostile.
pub const ENOUGH: Limits = Limits {
    depth: 20,
    members: 100_000,
    bytes: 4 << 30,
};

/// Blobs that were taken or are expected, with what they are called in the test.
pub type Names = BTreeSet<PfileName>;

/// Seeks everything, or only some names; makes sure that a content is what its name says.
#[derive(Default)]
pub struct Finder {
    only: Option<Names>,
    found: Mutex<Names>,
    /// How many blobs came as files.
    pub files: Mutex<u64>,
}

impl Finder {
    /// Seeks these, and has enough then.
    pub fn only(names: impl IntoIterator<Item = PfileName>) -> Self {
        Self {
            only: Some(names.into_iter().collect()),
            ..Self::default()
        }
    }

    pub fn found(&self) -> Names {
        self.found.lock().unwrap().clone()
    }
}

impl Seeker for Finder {
    fn seeks_size(&self, size: u64) -> bool {
        match &self.only {
            Some(only) => only.iter().any(|name| name.size() == size),
            None => true,
        }
    }

    fn largest(&self) -> u64 {
        match &self.only {
            Some(only) => only.iter().map(PfileName::size).max().unwrap_or(0),
            None => u64::MAX,
        }
    }

    fn seeks(&self, name: &PfileName) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(name))
            && !self.found.lock().unwrap().contains(name)
    }

    fn opens(&self, _: &PfileName) -> bool {
        true
    }

    fn take(&self, name: &PfileName, content: Content<'_>) -> ControlFlow<()> {
        assert_eq!(*name, name_of(content));
        if matches!(content, Content::File(_)) {
            *self.files.lock().unwrap() += 1;
        }
        let mut found = self.found.lock().unwrap();
        found.insert(*name);
        match &self.only {
            Some(only) if *only == *found => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// What this content is called.
pub fn name_of(content: Content<'_>) -> PfileName {
    match content {
        Content::Memory(data) => digest(data),
        Content::File(file) => {
            let mut data = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
            file.read_exact_at(&mut data, 0).unwrap();
            digest(&data)
        }
    }
}

/// Walks through one file by so many threads.
pub fn walk_file(path: &Path, seeker: &dyn Seeker, threads: usize, limits: Limits) -> Walked {
    let mut source = std::iter::once(Source {
        name: digest(path.as_os_str().as_encoded_bytes()),
        file: File::open(path).unwrap(),
        limits,
    });
    let options = Options {
        threads,
        spool: path.parent().unwrap(),
        stop: &|| false,
    };
    let mut walked = walk(&mut source, seeker, options);
    assert_eq!(walked.len(), 1);
    walked.remove(0)
}

/// Everything that comes out of a file, whoever works on it, and what was not as it should be.
pub fn all_of(path: &Path, limits: Limits) -> (Names, Walked) {
    let finder = Finder::default();
    let walked = walk_file(path, &finder, 2, limits);
    (finder.found(), walked)
}

/// The kinds of all problems, in their order.
pub fn kinds(walked: &Walked) -> Vec<ProblemKind> {
    walked.problems.iter().map(|problem| problem.kind).collect()
}

/// Makes sure that exactly this comes out of a file, by one thread and by three.
#[track_caller]
pub fn holds(path: &Path, expected: &Expected) {
    for threads in [1, 3] {
        let finder = Finder::default();
        let walked = walk_file(path, &finder, threads, ENOUGH);
        assert_eq!(walked.problems, [], "{}", path.display());
        expected.compare(&finder.found(), path);
    }
}

/// What has to come out: contents, and what they are called in the test.
#[derive(Clone, Default)]
pub struct Expected(BTreeMap<PfileName, String>);

impl Expected {
    pub fn with(mut self, what: &str, content: &[u8]) -> Self {
        self.0.insert(digest(content), what.to_owned());
        self
    }

    pub fn with_file(self, path: &Path) -> Self {
        self.with(&path.display().to_string(), &fs::read(path).unwrap())
    }

    pub fn names(&self) -> impl Iterator<Item = PfileName> {
        self.0.keys().copied()
    }

    #[track_caller]
    pub fn compare(&self, found: &Names, path: &Path) {
        let missing: Vec<&String> = self
            .0
            .iter()
            .filter(|(name, _)| !found.contains(name))
            .map(|(_, what)| what)
            .collect();
        assert!(missing.is_empty(), "{}: {missing:?}", path.display());
        let more: Vec<_> = found
            .iter()
            .filter(|name| !self.0.contains_key(name))
            .collect();
        assert!(more.is_empty(), "{}: also {more:?}", path.display());
    }
}

/// A folder for a test, with a tree of files to be packed in `tree/`.
pub struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    /// The tree: texts, an empty file, some names, and bytes that cannot be compressed.
    pub fn new() -> Self {
        let shop = Self::empty();
        shop.file("tree/hello.txt", b"hello\n");
        shop.file("tree/empty", b"");
        shop.file("tree/folder/with space.c", &text(3000));
        shop.file("tree/folder/deeper/\u{fc}ml\u{e4}ut", b"name in UTF-8");
        shop.file("tree/binary", &noise(100_000, 1));
        shop
    }

    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tree")).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Beside the files: links of both kinds, and a pipe.
    pub fn with_links(self) -> Self {
        let tree = self.path("tree");
        fs::hard_link(tree.join("binary"), tree.join("hard link")).unwrap();
        std::os::unix::fs::symlink("hello.txt", tree.join("symlink")).unwrap();
        nix::unistd::mkfifo(&tree.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        self
    }

    /// The plain files of `tree/`.
    pub fn expected(&self) -> Expected {
        walkdir::WalkDir::new(self.path("tree"))
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .fold(Expected::default(), |all, file| all.with_file(file.path()))
    }

    /// Runs a shell script in this folder. Without its tool a test fails: what was not tried is not
    /// known to work.
    #[track_caller]
    pub fn run(&self, script: &str) -> Output {
        let output = Command::new("sh")
            .args(["-euc", script])
            .current_dir(self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let there = !told.contains(": not found");
        assert!(there, "a program is missing: run ./mod_deps --dev ({told})");
        assert!(output.status.success(), "{script}: {told}");
        output
    }

    /// Runs a script that makes this file, and gives its path.
    #[track_caller]
    pub fn make(&self, file: &str, script: &str) -> PathBuf {
        self.run(script);
        let path = self.path(file);
        assert!(path.exists(), "{script}: there is no {file}");
        path
    }
}

/// Bytes that cannot be compressed, the same ones each time.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    use rand::{Rng, SeedableRng};
    let mut data = vec![0; length];
    rand::rngs::SmallRng::seed_from_u64(seed).fill_bytes(&mut data);
    data
}

/// Lines of text.
pub fn text(length: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|line| format!("int line_{line} = {line};\n").into_bytes());
    lines.take(length).collect()
}

/// A gzip of this.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(data).unwrap();
    gz.finish().unwrap()
}

/// A tar of these members.
pub fn tar_of(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &content[..]).unwrap();
    }
    tar.into_inner().unwrap()
}
