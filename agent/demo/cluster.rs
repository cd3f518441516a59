// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A PostgreSQL cluster of our own in a scratch directory, gone when its value is dropped.
//!
//! The server is our child and runs as an ordinary user. It is started by a thread that lives as
//! long as the server and reads its log: that tells when it is ready, and lets the kernel's
//! parent-death signal (which follows the *thread* that started a child) stop the server when we
//! are killed. Nothing survives us but the scratch directory.

use super::data;
use super::server::{Installation, RunAs};
use super::{Error, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the server may take to become ready or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where ports are looked for.
const PORTS: Range<u16> = 15_000..32_000;

/// Those that this process was given.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// How a cluster is to be.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// The major version; without it the newest that is installed.
    pub major: Option<u32>,
    /// Whether what is committed survives a power cut. Off by default: it is fast then.
    pub durable: bool,
    /// Whether its whole content can be copied while it runs (pg_basebackup).
    pub replicable: bool,
    /// A folder with the data of empty clusters, to be copied from there instead of made each time.
    /// What is not there yet is made. All clusters from it have the same password of the superuser.
    pub stock: Option<PathBuf>,
}

/// As whom to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `postgres`, who may do everything.
    Superuser,
    /// `fossy`, who may create databases and owns FOSSology's, as on a real host.
    Fossy,
}

impl Role {
    /// The role's name in the cluster.
    pub fn name(self) -> &'static str {
        match self {
            Role::Superuser => "postgres",
            Role::Fossy => "fossy",
        }
    }
}

/// A running PostgreSQL server with its own data; stopped when dropped.
pub struct Cluster {
    installation: Installation,
    port: u16,
    home: PathBuf,
    superuser_password: String,
    fossy_password: String,
    options: ClusterOptions,
    /// Dropped with the cluster, which stops the server.
    postmaster: Option<Postmaster>,
}

impl Cluster {
    /// Makes and starts a fast cluster of the newest installed version below `directory`.
    ///
    /// # Errors
    /// When no server is installed, its user cannot enter the directory, or it does not start.
    pub fn start(directory: &Path) -> Result<Self> {
        Self::start_with(directory, &ClusterOptions::default())
    }

    /// Makes and starts a cluster in `directory/postgresql`, which must not exist yet.
    ///
    /// When we are root, the server runs as `postgres` or `nobody`, and `directory` itself is
    /// opened to be entered by that user.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_with(directory: &Path, options: &ClusterOptions) -> Result<Self> {
        let installation = Installation::find(options.major)?;
        let run_as = RunAs::unprivileged()?;
        let directory = directory
            .canonicalize()
            .map_err(Error::io("looking for", directory))?;
        run_as.open_way(&directory)?;
        let home = directory.join("postgresql");
        fs::create_dir(&home).map_err(Error::io("making", &home))?;
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700))
            .map_err(Error::io("closing", &home))?;
        run_as.give(&home)?;

        let stock = options.stock.as_deref();
        let superuser_password = data::make(&installation, &run_as, &home, stock, &new_password())?;
        let (postmaster, port) = Postmaster::start(&installation, &run_as, &home, options, None)?;
        let cluster = Self {
            installation,
            port,
            home,
            superuser_password,
            fossy_password: new_password(),
            options: options.clone(),
            postmaster: Some(postmaster),
        };
        cluster.create_fossy()?;
        Ok(cluster)
    }

    /// Loses all databases and roles, as a machine that is set up anew: an empty server with the
    /// superuser alone answers at the same port afterwards.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn lose(&mut self) -> Result<()> {
        self.postmaster = None;
        let data = self.home.join("data");
        fs::remove_dir_all(&data).map_err(Error::io("removing", &data))?;
        let run_as = RunAs::unprivileged()?;
        let (installation, home) = (&self.installation, &self.home);
        let (stock, password) = (self.options.stock.as_deref(), &self.superuser_password);
        self.superuser_password = data::make(installation, &run_as, home, stock, password)?;
        let port = Some(self.port);
        let (postmaster, _) = Postmaster::start(installation, &run_as, home, &self.options, port)?;
        self.postmaster = Some(postmaster);
        Ok(())
    }

    fn create_fossy(&self) -> Result<()> {
        let statement = format!(
            "CREATE ROLE fossy LOGIN CREATEDB PASSWORD '{}'",
            self.fossy_password
        );
        self.connect(Role::Superuser, "postgres")?
            .batch_execute(&statement)
            .map_err(Error::database("creating role fossy"))
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the unix socket. Clients can use it when its path has at most 85 bytes.
    pub fn socket_directory(&self) -> &Path {
        &self.home
    }

    /// The server's major version, such as 15.
    pub fn server_major(&self) -> u32 {
        self.installation.major
    }

    /// The folder of this version's programs (`pg_dump`, `psql`).
    pub fn bin_directory(&self) -> &Path {
        &self.installation.bin
    }

    /// The password of a role.
    pub fn password(&self, role: Role) -> &str {
        match role {
            Role::Superuser => &self.superuser_password,
            Role::Fossy => &self.fossy_password,
        }
    }

    /// `postgresql://role:password@127.0.0.1:port/database`.
    pub fn url(&self, role: Role, database: &str) -> String {
        let mut escaped = String::new();
        for byte in database.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => escaped.push(byte.into()),
                _ => escaped.push_str(&format!("%{byte:02X}")),
            }
        }
        format!(
            "postgresql://{}:{}@127.0.0.1:{}/{escaped}",
            role.name(),
            self.password(role),
            self.port
        )
    }

    /// What a client needs to connect.
    pub fn config(&self, role: Role, database: &str) -> postgres::Config {
        let mut config = postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(role.name())
            .password(self.password(role))
            .dbname(database);
        config
    }

    /// A connection to one of the cluster's databases.
    ///
    /// # Errors
    /// When the database does not exist or the server is gone.
    pub fn connect(&self, role: Role, database: &str) -> Result<postgres::Client> {
        self.config(role, database)
            .connect(postgres::NoTls)
            .map_err(Error::database(format!("connecting to {database}")))
    }

    /// Makes an empty database with locale C, in an encoding that PostgreSQL knows (`UTF8`,
    /// `SQL_ASCII`).
    ///
    /// # Errors
    /// When it exists already, or the encoding is none.
    pub fn create_database(&self, name: &str, owner: Role, encoding: &str) -> Result<()> {
        let statement = format!(
            "CREATE DATABASE {} OWNER {} ENCODING '{}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
            quoted(name),
            owner.name(),
            encoding.replace('\'', "''")
        );
        self.connect(Role::Superuser, "postgres")?
            .batch_execute(&statement)
            .map_err(Error::database(format!("creating database {name}")))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("installation", &self.installation)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// A name as SQL takes it, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Hexadecimal, so that it can stand in SQL, in URLs and in Db.conf as it is.
fn new_password() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// What the thread that keeps the server tells.
enum News {
    /// The server runs, under this process id.
    Started(Pid),
    /// It accepts connections.
    Ready,
}

/// The server process. Its end is not collected before it is stopped here, so its process id
/// cannot become somebody else's meanwhile.
struct Postmaster {
    pid: Pid,
    /// Disconnected when the server and all its children have ended.
    news: Receiver<News>,
    keeper: Option<JoinHandle<io::Result<Child>>>,
}

impl Postmaster {
    /// Starts the server on this port, or a free one, and waits until it accepts connections.
    fn start(
        installation: &Installation,
        run_as: &RunAs,
        home: &Path,
        options: &ClusterOptions,
        wanted: Option<u16>,
    ) -> Result<(Self, u16)> {
        let log = home.join("log");
        let mut attempts = 5;
        loop {
            let port = match wanted {
                Some(port) => port,
                None => free_port().map_err(Error::io("looking for a free port for", home))?,
            };
            let program = installation.bin.join("postgres");
            let mut command = run_as.command(&program, home);
            command.args(["-D", "data"]);
            for setting in settings(port, options) {
                command.args(["-c", &setting]);
            }
            match Self::spawn(command, &log)? {
                Ok(postmaster) => return Ok((postmaster, port)),
                // Between our look at it and the server's start somebody else took the port.
                Err(last) if attempts > 1 && last.contains("create any TCP/IP sockets") => {
                    attempts -= 1;
                }
                Err(last) => return Err(Error::NotReady { log, last }),
            }
        }
    }

    /// Runs the server; the inner error is the end of its log when it did not become ready.
    fn spawn(mut command: Command, log: &Path) -> Result<Result<Self, String>> {
        let log_file = File::create(log).map_err(Error::io("writing", log))?;
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::piped());
        // A terminal's Ctrl-C goes to the whole group; the server shall end when we want it.
        command.process_group(0);
        let us = nix::unistd::getpid();
        let prepare = move || {
            nix::sys::prctl::set_pdeathsig(Signal::SIGQUIT)?;
            if getppid() != us {
                // We died before the signal was asked for.
                return Err(nix::errno::Errno::ESRCH.into());
            }
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes two system calls (prctl, getppid) and
        // errors that are plain numbers: it allocates nothing and takes no lock.
        unsafe { command.pre_exec(prepare) };

        let (tell, news) = channel();
        let program = PathBuf::from(command.get_program());
        let keeper = std::thread::Builder::new()
            .name("postmaster".to_owned())
            .spawn(move || keep(command, log_file, &tell))
            .map_err(Error::io("starting a thread for", log))?;
        let Ok(News::Started(pid)) = news.recv() else {
            let ended = keeper
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("it panicked")));
            ended.map_err(Error::io("starting", &program))?;
            return Ok(Err(String::new()));
        };
        let postmaster = Self {
            pid,
            news,
            keeper: Some(keeper),
        };
        match postmaster.news.recv_timeout(PATIENCE) {
            Ok(_) => Ok(Ok(postmaster)),
            Err(_) => {
                drop(postmaster);
                let text = fs::read_to_string(log).map_err(Error::io("reading", log))?;
                let skip = text.lines().count().saturating_sub(8);
                let last: Vec<&str> = text.lines().skip(skip).collect();
                Ok(Err(last.join("\n")))
            }
        }
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        // Immediate shutdown, as `pg_ctl stop -m immediate` has it. Nobody needs the data.
        let _ = kill(self.pid, Signal::SIGQUIT);
        while let Err(RecvTimeoutError::Timeout) = self.news.recv_timeout(PATIENCE) {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
        if let Some(Ok(Ok(mut child))) = self.keeper.take().map(JoinHandle::join) {
            let _ = child.wait();
        }
    }
}

/// Starts the server, copies its log to a file and tells what it reads there, until all is over.
fn keep(mut command: Command, mut log: File, tell: &Sender<News>) -> io::Result<Child> {
    let mut child = command.spawn()?;
    // Nobody listens any more once the server is ready, and that is all right.
    let _ = tell.send(News::Started(Pid::from_raw(child.id() as i32)));
    let words = child.stderr.take().map(BufReader::new);
    for line in words.into_iter().flat_map(|words| words.split(b'\n')) {
        let Ok(mut line) = line else { break };
        if String::from_utf8_lossy(&line).contains("system is ready to accept connections") {
            let _ = tell.send(News::Ready);
        }
        line.push(b'\n');
        let _ = log.write_all(&line);
    }
    Ok(child)
}

/// A TCP port of this host that nobody listens on now, that this process was not given before, and that the
/// system gives to nobody who asks for any: those are above these (`ip_local_port_range`). Else one could
/// have another owner a moment later.
///
/// # Errors
/// When none is found.
pub fn free_port() -> io::Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    if given.len() > PORTS.len() / 2 {
        // Whoever had the first ones has ended long since.
        given.clear();
    }
    let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..1000 {
        let random = uuid::Uuid::new_v4().as_u128();
        let port = PORTS.start + (random % PORTS.len() as u128) as u16;
        if !given.insert(port) {
            continue;
        }
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn settings(port: u16, options: &ClusterOptions) -> Vec<String> {
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
    ];
    let fixed = [
        // As seen from the data directory: the path may be longer than a socket's name can be.
        "unix_socket_directories=..",
        "unix_socket_permissions=0700",
        "shared_buffers=64MB",
        "max_connections=64",
        "logging_collector=off",
        "log_destination=stderr",
        "jit=off",
    ];
    let fast = [
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
    ];
    settings.extend(fixed.map(str::to_owned));
    let log = match options.replicable {
        true => ["wal_level=replica", "max_wal_senders=4"],
        false => ["wal_level=minimal", "max_wal_senders=0"],
    };
    settings.extend(log.map(str::to_owned));
    if !options.durable {
        settings.extend(fast.map(str::to_owned));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::{PORTS, free_port};
    use std::collections::BTreeSet;

    #[test]
    fn no_port_is_given_twice() {
        let given: BTreeSet<u16> = (0..2000).map(|_| free_port().unwrap()).collect();
        assert_eq!(given.len(), 2000);
        assert!(given.iter().all(|port| PORTS.contains(port)));
    }
}
