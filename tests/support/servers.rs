// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Servers that hold vaults, on this host's loopback: an S3 server program (tests/s3-server), a real
//! sshd with keys made for the test, and a proxy that cuts connections. All end with the test.

use super::trouble::wait_for;
use super::world::World;
use fossology_backup::demo::free_port;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// A program that ends when this is dropped.
pub struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub const KEY: &str = "AKIATEST";
pub const SECRET: &str = "hidden-secret";
pub const BUCKET: &str = "bucket";

/// An S3 server. Its bucket is a folder.
pub struct S3Server {
    pub root: PathBuf,
    pub port: u16,
    program: Option<Program>,
}

/// The server's program, compiled once.
fn s3_server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/s3-server");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(package.join("Cargo.toml"))
            .env("CARGO_TARGET_DIR", package.join("target"))
            .status()
            .unwrap();
        assert!(status.success(), "the tests' S3 server does not compile");
        package.join("target/debug/s3-server")
    })
}

impl S3Server {
    /// Starts one with an empty bucket.
    pub fn start(root: PathBuf, options: &[&str]) -> Self {
        fs::create_dir_all(root.join(BUCKET)).unwrap();
        let mut server = Self {
            root,
            port: 0,
            program: None,
        };
        server.start_again(options);
        server
    }

    /// Starts it once more, on the same port, with what it had.
    pub fn start_again(&mut self, options: &[&str]) {
        self.program = None;
        let mut child = Command::new(s3_server())
            .arg(&self.root)
            .args([&self.port.to_string(), KEY, SECRET])
            .arg(format!("--log={}", self.log().display()))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        self.program = Some(Program(child));
        self.port = line.trim().parse().unwrap();
    }

    pub fn kill(&mut self) {
        self.program = None;
    }

    /// What it was asked so far, a line each: the request's name, the bucket, the key.
    pub fn requests(&self) -> Vec<String> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn log(&self) -> PathBuf {
        self.root.join("requests")
    }

    /// Where the objects of the bucket are.
    pub fn bucket(&self) -> PathBuf {
        self.root.join(BUCKET)
    }
}

/// What `[storage]` says of an S3 server on a port.
pub fn s3_settings(port: u16) -> String {
    format!(
        "[storage]\nendpoint = \"http://127.0.0.1:{port}\"\naccess_key_id = \"{KEY}\"\nsecret_access_key = \"{SECRET}\"\ngive_up_after = 20\n"
    )
}

/// An sshd of the test's own, for the user who runs it.
pub struct Sshd {
    folder: PathBuf,
    pub port: u16,
    program: Option<Program>,
}

impl Sshd {
    /// Starts one; `options` are those of its SFTP server.
    pub fn start(folder: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&folder).unwrap();
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.join(key))
                .status()
                .unwrap();
            assert!(made.success());
        }
        fs::copy(folder.join("user.pub"), folder.join("authorized")).unwrap();
        let port = free_port().unwrap();
        let host = fs::read_to_string(folder.join("host.pub")).unwrap();
        fs::write(folder.join("known"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        let of = |name: &str| folder.join(name).display().to_string();
        fs::write(
            folder.join("sshd_config"),
            format!(
                "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\nSubsystem sftp /usr/lib/openssh/sftp-server {options}\n",
                of("host"),
                of("authorized"),
            ),
        )
        .unwrap();
        let mut sshd = Self {
            folder,
            port,
            program: None,
        };
        sshd.start_again();
        sshd
    }

    pub fn start_again(&mut self) {
        self.program = None;
        // Run by root it wants an empty folder of its own.
        let _ = fs::create_dir("/run/sshd");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(self.folder.join("sshd_config"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(self.folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        self.program = Some(Program(child));
        wait_for("sshd to listen", || {
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    /// Kills who listens; connections that are open live on.
    pub fn kill(&mut self) {
        self.program = None;
    }

    /// How ssh is called so that it knows this server and its key, through this port.
    pub fn settings(&self, more: &[&str]) -> String {
        let of = |name: &str| self.folder.join(name).display().to_string();
        let mut words = vec![
            "ssh".to_owned(),
            "-F".into(),
            "none".into(),
            "-i".into(),
            of("user"),
            format!("-oUserKnownHostsFile={}", of("known")),
            format!("-oHostKeyAlias=[127.0.0.1]:{}", self.port),
            "-oIdentitiesOnly=yes".into(),
        ];
        words.extend(more.iter().map(|word| word.to_string()));
        format!("[storage]\ngive_up_after = 20\nssh = {words:?}\n")
    }

    /// A location of this server, reached through a port.
    pub fn location(&self, port: u16, path: &Path) -> String {
        format!("sftp://127.0.0.1:{port}{}", path.display())
    }
}

/// Hands connections on to a port, and cuts them when so many bytes have come by.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    target: u16,
    /// How many bytes a connection may carry before it is cut.
    limit: AtomicI64,
    /// How many connections are still cut; the others are left alone.
    cuts: AtomicI64,
    done: AtomicU64,
}

impl Proxy {
    /// The first so many connections are cut after so many bytes, counted in both directions.
    pub fn start(target: u16, cuts: i64, limit: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            target,
            limit: AtomicI64::new(limit),
            cuts: AtomicI64::new(cuts),
            done: AtomicU64::new(0),
        });
        let shared = state.clone();
        // Ends with the process: it only waits for connections.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || carry(connection, &state));
            }
        });
        Self { port, state }
    }

    /// How many connections were cut.
    pub fn cut(&self) -> u64 {
        self.state.done.load(Ordering::Relaxed)
    }

    /// Cuts so many more.
    pub fn cut_more(&self, cuts: i64, limit: i64) {
        self.state.limit.store(limit, Ordering::Relaxed);
        self.state.cuts.store(cuts, Ordering::Relaxed);
    }
}

fn carry(from: TcpStream, state: &Arc<State>) {
    let Ok(to) = TcpStream::connect(("127.0.0.1", state.target)) else {
        return;
    };
    let is_cut = state.cuts.fetch_sub(1, Ordering::Relaxed) > 0;
    let left = Arc::new(AtomicI64::new(match is_cut {
        true => state.limit.load(Ordering::Relaxed),
        false => i64::MAX,
    }));
    let both = [
        (from.try_clone().unwrap(), to.try_clone().unwrap()),
        (to, from),
    ];
    for (mut from, mut to) in both {
        let (left, state) = (left.clone(), state.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            loop {
                let len = from.read(&mut buffer).unwrap_or(0);
                let before = left.fetch_sub(len as i64, Ordering::Relaxed);
                let is_over = before <= len as i64;
                if is_over && before > 0 {
                    state.done.fetch_add(1, Ordering::Relaxed);
                }
                if len == 0 || is_over || to.write_all(&buffer[..len]).is_err() {
                    let _ = to.shutdown(Shutdown::Both);
                    let _ = from.shutdown(Shutdown::Both);
                    return;
                }
            }
        });
    }
}

/// Writes the world's fo_backup.toml. It may hold keys.
pub fn settings(world: &World, text: &str) {
    let path = world.sample().sysconfdir().join("fo_backup.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}
