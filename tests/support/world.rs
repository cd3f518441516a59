// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A whole world for a test: a PostgreSQL cluster, a sample instance, a vault, and the command
//! `fo_backup` as a user calls it.

use age::secrecy::ExposeSecret;
use fossology_backup::demo::sample::{Options, Sample};
use fossology_backup::demo::{Cluster, ClusterOptions};
use fossology_backup::vault::ListKey;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Whether tests of plain vaults are run over encrypted ones.
fn encrypts() -> bool {
    std::env::var_os("FO_BACKUP_TEST_ENCRYPTED").is_some()
}

pub struct World {
    /// The instance; a world that was made [`World::empty`] has none.
    sample: Option<Sample>,
    pub cluster: Cluster,
    pub folder: TempDir,
    /// Whether the vault is encrypted and every command is given its key.
    sealed: bool,
    /// Where commands find the vault, if not in the folder of its objects, and that folder.
    server: Option<(String, PathBuf)>,
}

/// How a call of the command ended.
pub struct Called {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Called {
    pub fn new(output: &Output) -> Self {
        Self {
            // A signal ends it with 128 and the signal's number, as a shell says it.
            code: output.status.code().unwrap_or_else(|| {
                use std::os::unix::process::ExitStatusExt;
                128 + output.status.signal().unwrap()
            }),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// The call has to have ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// What it printed with `--json`.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "{error}\nstdout:\n{}\nstderr:\n{}",
                self.stdout, self.stderr
            )
        })
    }

    /// Its error has to name this.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(
            self.stderr.contains(text),
            "'{text}' is not in:\n{}\n{}",
            self.stderr,
            self.stdout
        );
        self
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let mut world = Self::empty();
        world.build(options);
        world
    }

    fn build(&mut self, options: Options) {
        let place = self.path("instance");
        std::fs::create_dir(&place).unwrap();
        self.sample = Some(Sample::build(&place, &self.cluster, options).unwrap());
    }

    /// A world with a vault whose database server can be copied as a whole.
    pub fn replicable() -> Self {
        let mut world = Self::empty_with(&ClusterOptions {
            replicable: true,
            ..ClusterOptions::default()
        });
        world.build(Options::default());
        world.call(&["init"]).expect(0);
        world
    }

    /// A world whose server is of this major version.
    pub fn of_major(major: u32) -> Self {
        let options = ClusterOptions {
            major: Some(major),
            ..ClusterOptions::default()
        };
        let mut world = Self::empty_with(&options);
        let place = world.path("instance");
        std::fs::create_dir(&place).unwrap();
        let sample = Sample::build(&place, &world.cluster, Options::default());
        world.sample = Some(sample.unwrap());
        world
    }

    /// A world without an instance: for one that is brought along.
    pub fn empty() -> Self {
        Self::empty_with(&ClusterOptions::default())
    }

    fn empty_with(options: &ClusterOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = ClusterOptions {
            stock: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgresql")),
            ..options.clone()
        };
        let cluster = Cluster::start_with(folder.path(), &options).unwrap();
        std::fs::create_dir(folder.path().join("scratch")).unwrap();
        Self {
            sample: None,
            cluster,
            folder,
            sealed: encrypts(),
            server: None,
        }
    }

    /// A world whose vault exists. With FO_BACKUP_TEST_ENCRYPTED it is an encrypted one, and every
    /// command is given the private key: so tests of plain vaults are tests of encrypted ones.
    pub fn with_vault() -> Self {
        let world = Self::new();
        world.init();
        world
    }

    /// The vault is to be encrypted, and every command to be given its key.
    pub fn seal(&mut self) {
        self.sealed = true;
    }

    /// The vault is on a server, which has its objects in a folder.
    pub fn put_vault_on(&mut self, location: &str, folder: PathBuf) {
        self.server = Some((location.to_owned(), folder));
    }

    /// Makes the vault; see [`World::with_vault`].
    pub fn init(&self) {
        if self.sealed {
            let recipient = self.key("key");
            self.call(&["init", "--recipient", &recipient]).expect(0);
        } else {
            self.call(&["init"]).expect(0);
        }
    }

    /// Whether the vault is encrypted and every command is given its key.
    pub fn encrypts_for_all(&self) -> bool {
        self.sealed
    }

    /// A world whose vault is encrypted for the key in the file `key`, which commands are not given.
    pub fn encrypted() -> Self {
        let world = Self::new();
        let recipient = world.key("key");
        world.call(&["init", "--recipient", &recipient]).expect(0);
        world
    }

    /// Makes a private key in a file, and gives back the public one.
    pub fn key(&self, file: &str) -> String {
        let key = ListKey::generate();
        let text = format!("# made for a test\n{}\n", key.secret().expose_secret());
        std::fs::write(self.path(file), text).unwrap();
        key.public()
    }

    /// An object of the vault as it was before it was encrypted.
    pub fn plain(&self, object: &str) -> Vec<u8> {
        let sealed = self.vault().join(format!("{object}.age"));
        if !sealed.exists() {
            return std::fs::read(self.vault().join(object)).unwrap();
        }
        let key = std::fs::read_to_string(self.path("key")).unwrap();
        let key: age::x25519::Identity = key.lines().last().unwrap().parse().unwrap();
        age::decrypt(&key, &std::fs::read(sealed).unwrap()).unwrap()
    }

    /// Calls the command with the private key in a file of the world.
    pub fn call_with_key(&self, file: &str, arguments: &[&str]) -> Called {
        let mut command = self.command(arguments);
        command.arg("--identity").arg(self.path(file));
        Called::new(&command.output().unwrap())
    }

    #[track_caller]
    pub fn sample(&self) -> &Sample {
        self.sample.as_ref().unwrap()
    }

    #[track_caller]
    pub fn sample_mut(&mut self) -> &mut Sample {
        self.sample.as_mut().unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn vault(&self) -> PathBuf {
        match &self.server {
            Some((_, folder)) => folder.clone(),
            None => self.path("vault"),
        }
    }

    /// The command with the world's instance and vault.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_for(&self.sample().sysconfdir(), arguments)
    }

    pub fn command_for(&self, sysconfdir: &Path, arguments: &[&str]) -> Command {
        let vault = match &self.server {
            Some((location, _)) => PathBuf::from(location),
            None => self.vault(),
        };
        self.command_with(sysconfdir, &vault, arguments)
    }

    /// The command with the world's instance and another vault.
    pub fn command_at(&self, vault: impl AsRef<Path>, arguments: &[&str]) -> Command {
        self.command_with(&self.sample().sysconfdir(), vault.as_ref(), arguments)
    }

    fn command_with(&self, sysconfdir: &Path, vault: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fo_backup"));
        command
            .arg("-c")
            .arg(sysconfdir)
            .arg("--vault")
            .arg(vault)
            .args(arguments)
            .env("FO_BACKUP_SCRATCH", self.path("scratch"))
            .env_remove("FO_BACKUP_IDENTITY")
            .stdin(Stdio::null());
        if self.sealed {
            command.env("FO_BACKUP_IDENTITY", self.path("key"));
        }
        command
    }

    pub fn call(&self, arguments: &[&str]) -> Called {
        Called::new(&self.command(arguments).output().unwrap())
    }

    pub fn call_for(&self, sysconfdir: &Path, arguments: &[&str]) -> Called {
        Called::new(&self.command_for(sysconfdir, arguments).output().unwrap())
    }

    pub fn call_at(&self, vault: impl AsRef<Path>, arguments: &[&str]) -> Called {
        Called::new(&self.command_at(vault, arguments).output().unwrap())
    }

    /// Makes a snapshot and gives back what `--json` says of it.
    #[track_caller]
    pub fn backup(&self, mode: &str) -> Value {
        self.call(&["--json", "backup", "--mode", mode])
            .expect(0)
            .json()
    }
}
