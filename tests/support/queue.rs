// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A stand-in for FOSSology's scheduler, the queue's side of it: which entry is started next, what
//! its end means for others, and that a job that runs alone goes before all others. The agents' side
//! is in [`super::scheduler`].

use super::scheduler::{Agent, Ended, Job};
use super::world::World;
use fossology_backup::blob::PfileName;
use fossology_backup::demo::sample::StoredBlob;
use fossology_backup::fossology::config::Config;
use postgres::Client;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// That an entry `q` may be started: it waits for nothing that has not ended well.
const READY: &str = "jq_starttime IS NULL AND jq_end_bits < 2
    AND NOT EXISTS (
        SELECT 1 FROM jobdepends JOIN jobqueue before ON before.jq_pk = jdep_jq_depends_fk
         WHERE jdep_jq_fk = q.jq_pk AND (before.jq_endtime IS NULL OR before.jq_end_bits > 1))";

/// The agents of the sample that run alone.
const ALONE: &str = "q.jq_type IN ('delagent', 'maintagent')";

/// The numbers that a request has now.
pub fn counts(world: &World, request: i32) -> Value {
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT counts FROM backup_request WHERE id = $1";
    client.query_one(query, &[&request]).unwrap().get(0)
}

/// Ends all that the sample has in its queue, and leaves it the keys below a thousand for what it
/// queues later.
pub fn clear(world: &World) {
    let mut client = world.sample().connect().unwrap();
    client
        .batch_execute(
            "UPDATE jobqueue SET jq_starttime = now(), jq_endtime = now(), jq_end_bits = 1
              WHERE jq_endtime IS NULL;
             SELECT setval('job_job_pk_seq', 1000), setval('jobqueue_jq_pk_seq', 1000)",
        )
        .unwrap();
}

/// Queues a deletion, which runs alone; gives its entry. Nobody is started for it: the test does
/// what it would do, and ends it by [`end_deletion`].
pub fn queue_deletion(world: &World) -> i32 {
    let mut client = world.sample().connect().unwrap();
    let query = "WITH made AS (
            INSERT INTO job (job_user_fk, job_queued, job_priority, job_name)
            VALUES (3, now(), 0, 'Delete') RETURNING job_pk)
        INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits)
        SELECT job_pk, 'delagent', 0 FROM made RETURNING jq_pk";
    client.query_one(query, &[]).unwrap().get(0)
}

/// Enters that a deletion has ended, well or not.
pub fn end_deletion(world: &World, entry: i32, well: bool) {
    let ended = Ended {
        completed: well,
        ..Ended::default()
    };
    finish(&mut world.sample().connect().unwrap(), entry, &ended);
}

/// Forgets the start of what has not ended, as the scheduler's `--reset` does.
pub fn reset(world: &World) {
    let mut client = world.sample().connect().unwrap();
    let query =
        "UPDATE jobqueue SET jq_starttime = NULL, jq_endtext = NULL WHERE jq_endtime IS NULL";
    client.execute(query, &[]).unwrap();
}

/// Runs the jobs that run alone and wait, those of the sample among them: all they do is to end.
fn run_alone(client: &mut Client) {
    let query = format!(
        "UPDATE jobqueue q SET jq_starttime = now(), jq_endtime = now(), jq_end_bits = 1,
                               jq_endtext = 'Completed'
          WHERE {ALONE} AND {READY}"
    );
    client.execute(&query, &[]).unwrap();
}

/// The scheduler's port of an instance, and its queue.
pub struct Queue {
    listener: TcpListener,
    sysconfdir: PathBuf,
    client: Client,
}

impl Queue {
    /// Listens from now on.
    pub fn open(world: &World) -> Self {
        let sysconfdir = world.sample().sysconfdir();
        let config = Config::load(&sysconfdir).unwrap();
        Self {
            listener: TcpListener::bind((config.address.as_str(), config.port)).unwrap(),
            sysconfdir,
            client: world.sample().connect().unwrap(),
        }
    }

    /// Hears that it is to look at its queue.
    pub fn hear(&mut self) {
        let (mut stream, _) = self.listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap())
            .read_line(&mut line)
            .unwrap();
        stream.write_all(b"received\n").unwrap();
        assert_eq!(line, "database\n");
    }

    /// Runs what is queued for our agent, whenever it is told to look, until so many jobs have
    /// ended. Gives how each ended.
    pub fn serve(mut self, jobs: usize) -> Vec<Ended> {
        let mut ended = Vec::new();
        while ended.len() < jobs {
            self.hear();
            while let Some(next) = run_next(&self.sysconfdir, &mut self.client) {
                ended.push(next);
            }
        }
        ended
    }
}

/// Runs what is queued for our agent, one after the other, until nothing can be run any more.
/// Gives where each was to run and how it ended.
pub fn run_queued(world: &World) -> Vec<(Option<String>, Ended)> {
    let mut client = world.sample().connect().unwrap();
    let sysconfdir = world.sample().sysconfdir();
    std::iter::from_fn(|| {
        take_next(&sysconfdir, &mut client).map(|(agent, row)| {
            let ended = agent.serve();
            finish(&mut client, row.entry, &ended);
            (row.host, ended)
        })
    })
    .collect()
}

/// Runs what is queued for other agents and waits for nothing, once; gives their agents. Scanners pass over a
/// missing file and call the scan good, so none may begin on an upload that lacks one: that is all
/// that they look for here, and then they end well.
#[track_caller]
pub fn run_others(world: &World) -> Vec<String> {
    let mut client = world.sample().connect().unwrap();
    run_alone(&mut client);
    let query = format!(
        "UPDATE jobqueue q SET jq_starttime = now() FROM job
          WHERE job_pk = jq_job_fk AND jq_type <> 'backup' AND {READY}
         RETURNING jq_pk, jq_type, coalesce(job_upload_fk, 0)"
    );
    let ready = client.query(&query, &[]).unwrap();
    let run = |row: &postgres::Row| {
        let (entry, agent, upload): (i32, String, i32) = (row.get(0), row.get(1), row.get(2));
        if !["wget_agent", "ununpack", "adj2nest"].contains(&agent.as_str()) {
            assert_eq!(
                missing_of(world, upload),
                Vec::<PfileName>::new(),
                "{agent} of {upload}"
            );
        }
        let ended = Ended {
            completed: true,
            ..Ended::default()
        };
        finish(&mut client, entry, &ended);
        agent
    };
    ready.iter().map(run).collect()
}

/// The blobs of an upload that lie in no folder of a host where they could.
fn missing_of(world: &World, upload: i32) -> Vec<PfileName> {
    let hosts: Vec<PathBuf> = fs::read_dir(world.sample().repository())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let lies = |blob: &StoredBlob| {
        blob.trees.iter().all(|tree| {
            let below = format!("{tree}/{}{}", blob.name.folders(3), blob.name);
            hosts.iter().any(|host| host.join(&below).is_file())
        })
    };
    let blobs = world.sample().blobs_of(upload);
    blobs
        .iter()
        .filter(|blob| !lies(blob))
        .map(|blob| blob.name)
        .collect()
}

/// Plays the scheduler from its start, with its reset, until nothing is left that it could do. Our jobs have
/// to end well.
#[track_caller]
pub fn play(world: &World) {
    reset(world);
    loop {
        let ours = run_queued(world);
        let idle = ours.is_empty();
        for (_, ended) in ours {
            ended.expect(0);
        }
        if idle && run_others(world).is_empty() {
            return;
        }
    }
}

/// Lets all that is parked go on and plays the scheduler until nothing is left to do.
#[track_caller]
pub fn finish_all(world: &World) {
    world.call(&["jobs", "resume"]).expect(0);
    let named = [
        "jobs",
        "resume",
        "--agent",
        "delagent",
        "--agent",
        "maintagent",
    ];
    world.call(&named).expect(0);
    play(world);
    let mut client = world.sample().connect().unwrap();
    let left = client
        .query(
            "SELECT format('%s %s %s %s', jq_pk, jq_type, jq_end_bits, jq_endtext) FROM jobqueue
              WHERE jq_starttime IS NULL OR jq_endtime IS NULL ORDER BY jq_pk",
            &[],
        )
        .unwrap();
    let left: Vec<String> = left.iter().map(|row| row.get(0)).collect();
    assert_eq!(left, Vec::<String>::new());
}

/// Starts the next entry of our agent that waits for nothing, as the scheduler does.
pub fn start_next(world: &World) -> Option<(Agent, Entry)> {
    let mut client = world.sample().connect().unwrap();
    take_next(&world.sample().sysconfdir(), &mut client)
}

/// An entry of the queue that was started.
pub struct Entry {
    /// `jq_pk`.
    pub entry: i32,
    /// `jq_host`.
    pub host: Option<String>,
}

/// Enters how an entry ended; whatever waits for one that failed has failed too.
pub fn end_entry(world: &World, entry: &Entry, ended: &Ended) {
    finish(&mut world.sample().connect().unwrap(), entry.entry, ended);
}

fn run_next(sysconfdir: &Path, client: &mut Client) -> Option<Ended> {
    let (agent, row) = take_next(sysconfdir, client)?;
    let ended = agent.serve();
    finish(client, row.entry, &ended);
    Some(ended)
}

fn take_next(sysconfdir: &Path, client: &mut Client) -> Option<(Agent, Entry)> {
    // While one waits nothing else is started; no agent runs in most tests when this is called.
    run_alone(client);
    let query = format!(
        "UPDATE jobqueue SET jq_starttime = now(), jq_endtext = 'Started'
          WHERE jq_pk = (SELECT min(jq_pk) FROM jobqueue q WHERE jq_type = 'backup' AND {READY})
         RETURNING jq_pk, jq_job_fk, coalesce(jq_args, ''), coalesce(jq_cmd_args, ''), jq_host"
    );
    let row = client.query_opt(&query, &[]).unwrap()?;
    let (data, arguments): (String, String) = (row.get(2), row.get(3));
    let job = Job {
        id: row.get(1),
        data: &data,
        arguments: &arguments,
        remote: false,
    };
    let entry = Entry {
        entry: row.get(0),
        host: row.get(4),
    };
    Some((Agent::start(sysconfdir.to_owned(), job), entry))
}

fn finish(client: &mut Client, entry: i32, ended: &Ended) {
    let good = ended.completed;
    let items = ended.beats.last().map_or(0, |(items, _)| *items);
    client
        .execute(
            "UPDATE jobqueue SET jq_endtime = now(), jq_end_bits = $2, jq_endtext = $3,
                                 jq_itemsprocessed = $4 WHERE jq_pk = $1",
            &[
                &entry,
                &(if good { 1_i16 } else { 2 }),
                &(if good { "Completed" } else { "Failed" }),
                &items,
            ],
        )
        .unwrap();
    if !good {
        client
            .execute(
                "WITH RECURSIVE waiting(entry) AS (
                     SELECT jdep_jq_fk FROM jobdepends WHERE jdep_jq_depends_fk = $1
                     UNION SELECT jdep_jq_fk FROM jobdepends JOIN waiting ON jdep_jq_depends_fk = entry
                 )
                 UPDATE jobqueue SET jq_endtime = now(), jq_end_bits = 2, jq_endtext = 'Failed'
                  WHERE jq_pk IN (SELECT entry FROM waiting) AND jq_endtime IS NULL",
                &[&entry],
            )
            .unwrap();
    }
}
