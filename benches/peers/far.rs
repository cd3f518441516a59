// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Backups into a bucket, of those who can do that, on the same server: the one of the tests, on
//! this machine and its disk. It shares the processor with who is measured, so what costs little on
//! the server gains too.

use super::error::{Error, Result};
use super::machine::has;
use super::measure::Run;
use super::peers::{Contender, DUMP, OURS, Places, RESTIC, RUSTIC};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const BUCKET: &str = "bench";
const KEY: &str = "BENCHMARK";
const SECRET: &str = "benchmark";

/// An S3 server, which ends when this is dropped. Its buckets are folders.
pub struct Server {
    program: Child,
    root: PathBuf,
    /// A line for each request.
    log: PathBuf,
    endpoint: String,
}

impl Server {
    /// Starts one below this folder, with an empty bucket.
    ///
    /// # Errors
    /// When its program cannot be built or does not start.
    pub fn start(home: &Path) -> Result<Self> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/s3-server");
        let target = package.join("target");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args([
                "build",
                "--quiet",
                "--release",
                "--locked",
                "--manifest-path",
            ])
            .arg(package.join("Cargo.toml"))
            .env("CARGO_TARGET_DIR", &target)
            .status()
            .map_err(Error::io("building", &package))?;
        if !built.success() {
            return Err(Error::Usage("the S3 server cannot be built".into()));
        }
        let root = home.join("s3");
        let bucket = root.join(BUCKET);
        fs::create_dir_all(&bucket).map_err(Error::io("making", &bucket))?;
        let log = home.join("s3-requests");
        let mut log_option = OsString::from("--log=");
        log_option.push(&log);
        let program = target.join("release/s3-server");
        let mut child = Command::new(&program)
            .arg(&root)
            .args(["0", KEY, SECRET])
            .arg(log_option)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::io("starting", &program))?;
        let mut port = String::new();
        if let Some(output) = child.stdout.take() {
            let read = BufReader::new(output).read_line(&mut port);
            read.map_err(Error::io("reading from", &program))?;
        }
        Ok(Self {
            program: child,
            root,
            log,
            endpoint: format!("http://127.0.0.1:{}", port.trim()),
        })
    }

    /// Where what is kept under this prefix lies.
    fn folder(&self, prefix: &str) -> PathBuf {
        self.root.join(BUCKET).join(prefix)
    }

    /// Lets a command find the server.
    fn tell(&self, run: Run) -> Run {
        run.env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("OPENDAL_ENDPOINT", &self.endpoint)
            .env("OPENDAL_BUCKET", BUCKET)
            .env("OPENDAL_REGION", "us-east-1")
            .env("OPENDAL_ROOT", "/rustic")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Places {
    /// The first backup into the bucket, or one when nothing is new, or everything back.
    pub(super) fn far(&self, what: Far) -> Vec<Contender> {
        let Some(server) = self.server() else {
            return Vec::new();
        };
        let target = self.home().join("restored");
        let repository = self.repository().as_os_str().to_owned();
        let ours = |words: &[&str]| {
            let vault = format!("s3://{BUCKET}/vault");
            let words = words.iter().map(OsString::from);
            self.ours_at(vault, words)
        };
        let restic = |words: &[OsString]| {
            let place = format!("s3:{}/{BUCKET}/restic", server.endpoint);
            self.restic(words.to_vec())
                .env("RESTIC_REPOSITORY", place)
                .env("RESTIC_CACHE_DIR", self.home().join("far-cache"))
        };
        let rustic = |words: &[OsString]| {
            self.rustic(words.to_vec())
                .env("RUSTIC_REPOSITORY", "opendal:s3")
                .env("RUSTIC_CACHE_DIR", self.home().join("far-rustic-cache"))
        };
        let back: Vec<OsString> = match what {
            Far::Restore => vec!["restore".into(), "latest".into()],
            _ => vec!["backup".into(), repository],
        };
        let with = |more: &[OsString]| [&back[..], more].concat();
        let (our_run, restic_run, rustic_run) = match what {
            Far::Restore => {
                let place = target.to_string_lossy();
                let words = ["restore", "latest", "--no-database", "--repository", &place];
                (
                    ours(&words),
                    restic(&with(&["--target".into(), target.clone().into()])),
                    rustic(&with(&[target.clone().into()])),
                )
            }
            _ => (ours(&["backup"]), restic(&back), rustic(&back)),
        };
        let mut all = vec![
            (OURS, "vault", our_run, ours(&["init"])),
            (RESTIC, "restic", restic_run, restic(&["init".into()])),
        ];
        if has("rustic") {
            all.push((RUSTIC, "rustic", rustic_run, rustic(&["init".into()])));
        }
        let mut contenders: Vec<Contender> = all
            .into_iter()
            .map(|(name, prefix, run, init)| {
                let folder = server.folder(prefix);
                let contender = Contender::new(name, server.tell(run)).asks(&server.log);
                match what {
                    Far::First => contender
                        .makes(&folder)
                        .anew(&[&folder, &self.cache_of(name)])
                        .after(server.tell(init)),
                    Far::Unchanged => contender.makes(&folder),
                    Far::Restore => contender.anew(&[&target]).makes(&target).passing(),
                }
            })
            .collect();
        if what != Far::Restore {
            contenders.push(Contender::new(DUMP, self.dump()).anew(&[&self.home().join("dump")]));
        }
        contenders
    }

    fn cache_of(&self, name: &str) -> PathBuf {
        self.home().join(match name {
            RESTIC => "far-cache",
            RUSTIC => "far-rustic-cache",
            _ => "far-no-cache",
        })
    }
}

/// What is asked of those who keep backups in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Far {
    First,
    Unchanged,
    Restore,
}
