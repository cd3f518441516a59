// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A vault in a folder of a server that speaks SFTP. An object is written under a temporary name in
//! `tmp/`, synced, and renamed, which the server refuses when the name is taken; then it is synced
//! once more, which on the usual file systems carries the new name to the disk, since SFTP cannot
//! sync a folder. Killed or cut off at any point, the object is there whole or not at all; what is left
//! in `tmp/` is removed by the next run that may ([`Server::tidy`]).

mod files;
mod refusals;
mod session;
mod wire;

use super::location::SftpFolder;
use super::remote::{
    Attempts, Failure, Kind, Place, Places, Server, Settings, Traffic, is_of_a_lease, longest,
};
use super::{Error, Key, Object, Put, Result};
use crate::process::Process;
use files::{accept_refusal, create, rename};
use refusals::says;
use session::{PIECE, Problem, Session};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wire::{Ask, Attributes, Status};

/// The folder of unfinished objects.
const TMP: &str = "tmp";

/// How old something in `tmp/` has to be to count as left by a dead run, where others may write.
const STALE: jiff::SignedDuration = jiff::SignedDuration::from_hours(48);

/// How old it has to be where nobody else may write: readers put their leases there too.
const YOUNG: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// How long an attempt at something small may take, on a connection that is there.
const SMALL: Duration = Duration::from_secs(90);

/// How many bytes are small.
const SMALL_BYTES: u64 = 1 << 20;

/// How long a connection may take to be made: what ssh is told.
const CONNECT: Duration = Duration::from_secs(20);

const FSYNC: &str = "fsync@openssh.com";
const POSIX_RENAME: &str = "posix-rename@openssh.com";

/// What ssh is asked for: never a question to a person, and to notice a dead line by itself.
const OPTIONS: &[&str] = &[
    "-oBatchMode=yes",
    "-oConnectTimeout=20",
    "-oServerAliveInterval=15",
    "-oServerAliveCountMax=4",
    "-oForwardX11=no",
    "-oForwardAgent=no",
    "-oClearAllForwardings=yes",
];

/// A folder on a server.
pub(super) struct Sftp {
    location: String,
    ssh: Vec<String>,
    arguments: Vec<String>,
    root: String,
    idle: Mutex<Vec<Session>>,
    places: Places,
    /// Those of leases, whose renewals must not wait for data.
    lease_places: Places,
    give_up_after: Duration,
    traffic: Traffic,
    /// Whether it was said that the server promises no durability.
    warned: AtomicBool,
}

/// Where the content of an object comes from.
type Content<'a> = &'a dyn Fn(u64, &mut [u8]) -> io::Result<()>;

impl Sftp {
    /// Nothing is connected yet.
    pub fn new(folder: &SftpFolder, settings: &Settings) -> Self {
        let mut arguments: Vec<String> = OPTIONS.iter().map(|option| option.to_string()).collect();
        if let Some(port) = folder.port {
            arguments.extend(["-p".into(), port.to_string()]);
        }
        if let Some(user) = &folder.user {
            arguments.extend(["-l".into(), user.clone()]);
        }
        arguments.extend(["-s".into(), "--".into(), folder.host.clone(), "sftp".into()]);
        let ssh = settings.ssh.clone().unwrap_or_else(|| vec!["ssh".into()]);
        Self {
            location: folder.to_string(),
            ssh,
            arguments,
            root: folder.path.clone(),
            idle: Mutex::default(),
            places: Places::new(settings.connections()),
            lease_places: Places::new(1),
            give_up_after: settings.give_up_after(),
            traffic: Traffic::default(),
            warned: AtomicBool::new(false),
        }
    }

    fn path(&self, name: &str) -> String {
        match name.trim_end_matches('/') {
            "" => self.root.clone(),
            name => format!("{}/{name}", self.root),
        }
    }

    fn attempts(&self, what: &str) -> Attempts<'_> {
        Attempts::new(
            what.to_owned(),
            &self.location,
            self.give_up_after,
            &self.traffic,
        )
    }

    /// Where who asks for an object of this name (or those below it) has to wait.
    fn place(&self, name: &str) -> Place<'_> {
        match is_of_a_lease(name) {
            true => self.lease_places.take(),
            false => self.places.take(),
        }
    }

    /// Does something on a connection that nobody else uses, until it is done or does not pass.
    fn run<T>(
        &self,
        what: &str,
        limit: Option<Duration>,
        kind: Kind,
        mut work: impl FnMut(&mut Session) -> session::Result<T>,
    ) -> Result<T> {
        self.attempts(what)
            .run(|| self.once(what, limit, kind, &mut work))
    }

    fn once<T>(
        &self,
        what: &str,
        limit: Option<Duration>,
        kind: Kind,
        work: &mut dyn FnMut(&mut Session) -> session::Result<T>,
    ) -> Result<T, Failure> {
        self.traffic.asked(kind);
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(|error| error.into_inner())
            .pop();
        let mut session = match idle {
            Some(session) => session,
            None => Session::open(&self.ssh, &self.arguments)
                .map_err(|error| self.failure(what, error))?,
        };
        session.give(limit);
        match work(&mut session) {
            Ok(done) => {
                self.idle
                    .lock()
                    .unwrap_or_else(|error| error.into_inner())
                    .push(session);
                Ok(done)
            }
            // The server has let us in: what ended the connection since then may pass.
            Err(Problem::Broken(error)) => Err(Failure::Passing(session.explain(error))),
            Err(Problem::Refused(status)) => Err(Failure::Final(self.refused(what, &status))),
        }
    }

    fn missing(&self, key: &Key) -> Error {
        Error::Missing {
            key: key.clone(),
            location: self.location.clone(),
        }
    }

    fn attributes(&self, key: &Key) -> Result<Option<Attributes>> {
        let path = self.path(key.as_str());
        let _place = self.place(key.as_str());
        let what = format!("looking at {key}");
        self.run(&what, Some(SMALL), Kind::Head, |session| {
            let id = session.send(Ask::Stat, |packet| packet.text(path.as_bytes()))?;
            session.attributes(id)
        })
    }

    /// Writes an object that is so long.
    fn write(&self, key: &Key, len: u64, content: Content<'_>, replace: bool) -> Result<Put> {
        let prefix = Process::this_process().file_prefix();
        let path = self.path(key.as_str());
        let what = format!("writing {key}");
        let limit = (len <= SMALL_BYTES).then_some(SMALL);
        let mut attempts = self.attempts(&what);
        let mut farthest = 0;
        let _place = self.place(key.as_str());
        loop {
            let mut reached = 0;
            let put = self.once(&what, limit, Kind::Put, &mut |session| {
                // Another name each time: what an attempt asked for before its connection was cut may
                // still be done, and would give this one's half a file its final name.
                let random = uuid::Uuid::new_v4().simple();
                let temporary = self.path(&format!("{TMP}/{prefix}-{random}"));
                let handle = create(session, &temporary)?;
                let mut at = 0;
                let next = || {
                    if at == len {
                        return Ok(None);
                    }
                    let offset = at;
                    let mut piece = vec![0; PIECE.min(len - at) as usize];
                    content(offset, &mut piece)?;
                    at += piece.len() as u64;
                    Ok(Some((offset, piece)))
                };
                session.write_all(&handle, next, &mut |end| reached = end)?;
                self.sync(session, &handle)?;
                let put = rename(session, &temporary, &path, replace)?;
                if put == Put::Made {
                    self.sync(session, &handle)?;
                }
                session.close(&handle)?;
                if put == Put::Existed {
                    // Where removal is forbidden it stays, and hurts nobody.
                    let id =
                        session.send(Ask::Remove, |packet| packet.text(temporary.as_bytes()))?;
                    accept_refusal(session.done(id))?;
                }
                Ok(put)
            });
            match put {
                Ok(put) => {
                    self.traffic.sent(len);
                    return Ok(put);
                }
                Err(failure) => {
                    // Each attempt begins anew, so only one that came further is a success.
                    if reached > farthest {
                        farthest = reached;
                        attempts.progressed();
                    }
                    attempts.again(failure)?;
                }
            }
        }
    }

    fn sync(&self, session: &mut Session, handle: &[u8]) -> session::Result<()> {
        if session.has(FSYNC) {
            let id = session.send(Ask::Extended, |packet| {
                packet.text(FSYNC.as_bytes()).text(handle)
            })?;
            return session.synced(id);
        }
        if !self.warned.swap(true, Ordering::Relaxed) {
            log::warn!(
                "{}: the server knows no {FSYNC}: what is written there may be lost when it loses its power",
                self.location
            );
        }
        Ok(())
    }

    fn in_tmp(&self) -> Result<Vec<(String, Attributes)>> {
        let folder = [self.path(TMP)];
        let _place = self.place(TMP);
        let found = self.run("listing tmp/", None, Kind::List, |session| {
            session.folders(&folder)
        })?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// When a file was written, by the server's clock.
fn modified(attributes: &Attributes) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(attributes.modified?.into()).ok()
}

impl Server for Sftp {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn put(&self, key: &Key, data: &[u8]) -> Result<Put> {
        let content = |offset: u64, piece: &mut [u8]| {
            let from = offset as usize;
            piece.copy_from_slice(&data[from..from + piece.len()]);
            Ok(())
        };
        self.write(key, data.len() as u64, &content, false)
    }

    fn upload(&self, key: &Key, file: &File, len: u64, replace: bool) -> Result<Put> {
        let content = |offset: u64, piece: &mut [u8]| file.read_exact_at(piece, offset);
        self.write(key, len, &content, replace)
    }

    fn size(&self, key: &Key) -> Result<Option<u64>> {
        Ok(self.attributes(key)?.and_then(|attributes| attributes.size))
    }

    fn get(&self, key: &Key, offset: u64, most: u64) -> Result<(Vec<u8>, u64)> {
        let _place = self.place(key.as_str());
        let what = format!("reading {key}");
        let path = self.path(key.as_str());
        let mut data = Vec::new();
        let mut attempts = self.attempts(&what);
        loop {
            let had = data.len() as u64;
            let got = self.once(&what, None, Kind::Get, &mut |session| {
                let handle = match session.open_file(&path) {
                    Err(Problem::Refused(status)) if status.code == Status::NO_SUCH_FILE => {
                        return Ok(None);
                    }
                    handle => handle?,
                };
                let id = session.send(Ask::FStat, |packet| packet.text(&handle))?;
                session.read_into(&handle, offset + had, most - had, &mut data)?;
                let size = session
                    .attributes(id)?
                    .and_then(|attributes| attributes.size);
                session.close(&handle)?;
                Ok(Some(size.unwrap_or(offset + data.len() as u64)))
            });
            let came = data.len() as u64 - had;
            self.traffic.received(came);
            match got {
                Ok(Some(size)) => return Ok((data, size)),
                Ok(None) => return Err(self.missing(key)),
                Err(failure) => {
                    if came > 0 {
                        attempts.progressed();
                    }
                    attempts.again(failure)?;
                }
            }
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Object>> {
        let what = format!("listing {prefix}");
        let top = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut folders = vec![top.to_owned()];
        let mut objects = Vec::new();
        let _place = self.place(prefix);
        while !folders.is_empty() {
            let paths: Vec<String> = folders.iter().map(|folder| self.path(folder)).collect();
            let found = self.run(&what, None, Kind::List, |session| session.folders(&paths))?;
            let mut below = Vec::new();
            for (folder, entries) in folders.iter().zip(found) {
                for (name, attributes) in entries {
                    let name = match &**folder {
                        "" => name,
                        folder => format!("{folder}/{name}"),
                    };
                    // The second one belongs to a file system whose root the vault is.
                    if attributes.is_folder() && name != TMP && name != "lost+found" {
                        below.push(name);
                    } else if attributes.is_file() && name.starts_with(prefix) {
                        objects.push(Object {
                            key: Key::from_text(name),
                            size: attributes.size.unwrap_or(0),
                        });
                    }
                }
            }
            folders = below;
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        let path = self.path(key.as_str());
        let what = format!("removing {key}");
        let _place = self.place(key.as_str());
        let refused = self.run(&what, Some(SMALL), Kind::Delete, |session| {
            let id = session.send(Ask::Remove, |packet| packet.text(path.as_bytes()))?;
            match session.done(id) {
                Err(Problem::Refused(status)) => Ok(Some(status)),
                other => other.map(|()| None),
            }
        })?;
        match refused {
            None => Ok(()),
            Some(status) if status.code == Status::NO_SUCH_FILE => Ok(()),
            Some(status) => Err(Error::NoRemoval {
                key: key.clone(),
                location: self.location.clone(),
                source: io::Error::other(says(&status)),
            }),
        }
    }

    fn put_at(&self, key: &Key) -> Result<Option<jiff::Timestamp>> {
        let modified = self
            .attributes(key)?
            .and_then(|attributes| attributes.modified);
        let time = modified.map(|seconds| jiff::Timestamp::from_second(seconds.into()));
        time.transpose()
            .map_err(|error| Error::io("looking at", key)(io::Error::other(error)))
    }

    fn unfinished(&self) -> Result<u64> {
        Ok(self.in_tmp()?.len() as u64)
    }

    fn tidy(&self, alone: bool) -> Result<()> {
        let left = self.in_tmp()?;
        if left.is_empty() {
            return Ok(());
        }
        // By the server's clock: the own lease was put a moment ago.
        let folder = [self.path("locks")];
        let what = "listing locks/";
        let locks = {
            let _place = self.place("locks/");
            self.run(what, None, Kind::List, |session| session.folders(&folder))?
        };
        let newest = locks.into_iter().flatten();
        let now = newest.filter_map(|(_, lock)| modified(&lock)).max();
        let now = now.unwrap_or_else(jiff::Timestamp::now);
        for (name, attributes) in left {
            let age = modified(&attributes).map(|time| now.duration_since(time));
            let most = if alone { YOUNG } else { STALE };
            if age.is_some_and(|age| age > most) || Process::left_by_the_dead(&name) {
                match self.delete(&Key::from_text(format!("{TMP}/{name}"))) {
                    Err(error @ Error::NoRemoval { .. }) => {
                        log::info!("{error}");
                        return Ok(()); // nor will it let us remove the others
                    }
                    other => other?,
                }
            }
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        // A connection may have to be made first.
        longest(self.give_up_after, CONNECT + session::PATIENCE + SMALL)
    }

    fn connections(&self) -> usize {
        self.places.count()
    }

    fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

#[cfg(test)]
mod tests;
