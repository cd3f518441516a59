// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A PostgreSQL cluster for this crate's tests: one a test process, thrown away when it ends.
//!
//! A small shell is its guard. It waits on a pipe from the test process; when that process ends
//! in whatever way, the pipe closes, and the guard stops the server and removes its folder.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::{Uid, User};
use postgres::Config;

use super::Database;

/// The subset of FOSSology's tables that the tests of this room need.
const SCHEMA: &str = "
    CREATE TABLE pfile (pfile_pk serial PRIMARY KEY, pfile_md5 char(32) NOT NULL,
        pfile_sha1 char(40) NOT NULL, pfile_size bigint NOT NULL);
    CREATE TABLE upload (upload_pk serial PRIMARY KEY, upload_filename text NOT NULL,
        upload_mode int NOT NULL, pfile_fk int, expire_action char(1));
    CREATE TABLE uploadtree (uploadtree_pk serial PRIMARY KEY, parent int, upload_fk int, pfile_fk int,
        ufile_mode int, ufile_name text);
    CREATE TABLE users (user_pk serial PRIMARY KEY, user_name text NOT NULL,
        user_perm int DEFAULT 10, user_status text DEFAULT 'active', group_fk int);
    CREATE TABLE agent (agent_pk serial PRIMARY KEY, agent_name varchar(32) NOT NULL,
        agent_rev text, agent_desc varchar(255), agent_enabled boolean DEFAULT true,
        UNIQUE (agent_name, agent_rev));
    CREATE TABLE job (job_pk serial PRIMARY KEY, job_queued timestamptz,
        job_priority int NOT NULL DEFAULT 0, job_name text, job_upload_fk int, job_user_fk int,
        job_group_fk int);
    CREATE TABLE jobqueue (jq_pk serial PRIMARY KEY,
        jq_job_fk int NOT NULL REFERENCES job ON DELETE CASCADE, jq_type text NOT NULL,
        jq_args text, jq_starttime timestamptz, jq_endtime timestamptz, jq_endtext text,
        jq_end_bits smallint NOT NULL DEFAULT 0, jq_schedinfo text,
        jq_itemsprocessed int DEFAULT 0, jq_log text, jq_runonpfile text, jq_host text,
        jq_cmd_args text);
    CREATE TABLE jobdepends (jdep_jq_fk int REFERENCES jobqueue ON DELETE CASCADE,
        jdep_jq_depends_fk int REFERENCES jobqueue ON DELETE CASCADE);
    CREATE TABLE sysconfig (sysconfig_pk serial PRIMARY KEY, variablename varchar(30) NOT NULL,
        conf_value text);
    CREATE TABLE reportgen (upload_fk int NOT NULL, job_fk int NOT NULL, filepath text);
    INSERT INTO sysconfig (variablename, conf_value) VALUES ('Release', '4.7.1');
    INSERT INTO users (user_name) VALUES ('fossy');
";

const GUARD: &str = r#"
    set -e
    "$BIN/initdb" -D "$DIR/data" -U postgres -E UTF8 --locale=C -N >"$DIR/initdb.log" 2>&1
    printf 'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n' >"$DIR/data/pg_hba.conf"
    "$BIN/pg_ctl" -D "$DIR/data" -s -w -l "$DIR/server.log" start -o "-p $PORT -k '$DIR'         -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=100" >/dev/null
    echo ready
    cat >/dev/null
    "$BIN/pg_ctl" -D "$DIR/data" -s -m immediate stop
    rm -rf "$DIR"
"#;

/// The tests' server.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    bin: PathBuf,
    /// Holds the pipe that keeps the server alive.
    _guard: Child,
}

/// The server of this test process, started when it is first needed.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

impl Cluster {
    /// Starts a server; it goes when the value is dropped, or the process ends.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("fo_backup_test_")
            .tempdir()
            .unwrap()
            .keep();
        let bin = newest_server();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut guard = Command::new("sh");
        guard
            .args(["-c", GUARD])
            .env("BIN", &bin)
            .env("DIR", &folder)
            .env("PORT", port.to_string())
            .env("LC_ALL", "C")
            .current_dir(&folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(user) = unprivileged() {
            chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
            guard.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let mut guard = guard.spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(guard.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        assert_eq!(
            ready,
            "ready\n",
            "the test server did not start, see {}",
            folder.display()
        );
        let cluster = Self {
            folder,
            port,
            bin,
            _guard: guard,
        };
        cluster
            .superuser("postgres")
            .connect("test")
            .unwrap()
            .batch_execute("CREATE ROLE fossy LOGIN CREATEDB PASSWORD 'fossy'")
            .unwrap();
        cluster
    }

    /// Ends the server without any care, as a power cut does, and starts it again.
    pub fn crash_and_restart(&self) {
        let mut restart = Command::new(self.bin.join("pg_ctl"));
        restart
            .args(["restart", "-s", "-w", "-m", "immediate"])
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-l")
            .arg(self.folder.join("server.log"))
            .current_dir(&self.folder)
            .stdout(Stdio::null());
        if let Some(user) = unprivileged() {
            restart.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        assert!(restart.status().unwrap().success());
    }

    /// Its TCP port on 127.0.0.1, where a password is asked for.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with the server's own programs.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// How a role connects by TCP; its password is its name.
    pub fn config(&self, role: &str) -> Config {
        let mut config = Config::new();
        config
            .user(role)
            .password(role)
            .dbname("postgres")
            .host("127.0.0.1")
            .port(self.port);
        config
    }

    /// A database as the superuser, who needs no password on the socket.
    pub fn superuser(&self, database: &str) -> Database {
        let mut config = Config::new();
        config
            .user("postgres")
            .dbname(database)
            .host_path(&self.folder)
            .port(self.port);
        Database::new(config)
    }

    /// A new database without any table, owned by `fossy`, seen as `fossy`.
    pub fn empty(&self, encoding: &str) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("fossology{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.superuser("postgres")
            .connect("test")
            .unwrap()
            .batch_execute(&format!(
                "CREATE DATABASE {name} OWNER fossy ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            ))
            .unwrap();
        Database::new(self.config("fossy")).with_name(&name)
    }

    /// A new database with FOSSology's tables.
    pub fn fossology(&self, encoding: &str) -> Database {
        let database = self.empty(encoding);
        database
            .connect("test")
            .unwrap()
            .batch_execute(SCHEMA)
            .unwrap();
        database
    }
}

/// Who runs the server when we are root, as whom PostgreSQL refuses to run.
fn unprivileged() -> Option<User> {
    let find = |name| User::from_name(name).unwrap();
    let is_root = Uid::effective().is_root();
    is_root.then(|| find("postgres").or_else(|| find("nobody")).unwrap())
}

fn newest_server() -> PathBuf {
    let mut servers: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let major = path.file_name()?.to_str()?.parse().ok()?;
            let bin = path.join("bin");
            bin.join("initdb").exists().then_some((major, bin))
        })
        .collect();
    servers.sort();
    let newest = servers.pop();
    newest
        .expect("the tests need a PostgreSQL server (mod_deps --dev)")
        .1
}
