// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Unpacks one container: undoes its compression or goes through its members, and what of that
//! are containers again.

use super::batch::Batch;
use super::place::Place;
use super::pump::{AHEAD, Pumped, pump};
use super::tee::Tee;
use super::{SMALL, STACK, Walk};
use crate::blob::digest;
use crate::unpack::kinds::{Compression, Format, HEAD, Kind, is_guess, kind_of};
use crate::unpack::libarchive::{
    Archive, Failure, FileInput, Input, Member, MemoryInput, ReadAt, refusal,
};
use crate::unpack::xz::Xz;
use crate::unpack::{Content, ProblemKind};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::thread;

/// From this size on, in bytes, a thread of its own undoes a layer of compression.
const PUMPED: u64 = 1 << 20;

/// How much is undone at once where nobody reads more, in bytes.
const BUFFER: usize = 64 << 10;

/// What comes out of a layer of compression.
type Stream<'a> = Box<dyn BufRead + Send + 'a>;

/// A container, or what may be one.
pub struct Container<'w, 'a> {
    walk: &'w Walk<'a>,
    place: Place,
}

/// What is known of a container before it is opened.
struct Opening {
    kind: Kind,
    /// Whether it is no damage when it turns out to be none.
    guess: bool,
    /// Its size in bytes, or what is known of it.
    size: u64,
    /// Why it is not to be opened, if so.
    refusal: io::Result<Option<String>>,
}

impl Opening {
    /// Of what begins like this, and can be read by position or not.
    fn of(head: &[u8], size: u64, read: Option<ReadAt<'_>>) -> Option<Self> {
        let kind = kind_of(&head[..head.len().min(HEAD)])?;
        Some(Self {
            kind,
            guess: is_guess(kind, head),
            size,
            refusal: refusal(kind, head, read),
        })
    }
}

impl<'w, 'a> Container<'w, 'a> {
    /// The one here.
    pub fn new(walk: &'w Walk<'a>, place: Place) -> Self {
        Self { walk, place }
    }

    /// Unpacks it, if it is a container at all.
    pub fn unpack(&self, content: Content<'_>) {
        let opened = match content {
            Content::Memory(data) => {
                let read = |at: u64, count: usize| Ok(part(data, at, count).to_vec());
                Ok((
                    Opening::of(data, data.len() as u64, Some(&read)),
                    Box::new(MemoryInput::new(data)) as Box<dyn Input>,
                ))
            }
            Content::File(file) => read_at(file, 0, HEAD).and_then(|head| {
                let size = file.metadata()?.len();
                let input = Box::new(FileInput::new(file)?) as Box<dyn Input>;
                let read = |at: u64, count: usize| read_at(file, at, count);
                Ok((Opening::of(&head, size, Some(&read)), input))
            }),
        };
        match opened {
            Ok((Some(opening), input)) => self.open(opening, input),
            Ok((None, _)) => {}
            Err(error) => self.place.problem(ProblemKind::Io, error.to_string()),
        }
    }

    fn open(&self, opening: Opening, input: Box<dyn Input + '_>) {
        match &opening.refusal {
            Ok(None) => {}
            Ok(Some(refusal)) => return self.place.problem(ProblemKind::Limit, refusal.clone()),
            Err(error) => return self.place.problem(ProblemKind::Io, error.to_string()),
        }
        let Some(place) = self.place.deeper() else {
            return;
        };
        let inside = Container::new(self.walk, place);
        match opening.kind {
            Kind::Archive(format) => inside.members(format, opening, input),
            Kind::Compressed(compression) => inside.decompress(compression, opening, input),
        }
    }

    fn decompress(&self, compression: Compression, opening: Opening, input: Box<dyn Input + '_>) {
        // An rpm's filter only passes its payload on.
        let large = opening.size >= PUMPED && compression != Compression::Rpm;
        let pumps = if large { self.may_pump() } else { None };
        let threads = pumps.map_or(1, |_| self.walk.options.threads);
        let opened = match compression {
            Compression::Xz => {
                let xz = Xz::new(input, threads, pumps.unwrap_or(1));
                Ok(Box::new(BufReader::with_capacity(BUFFER, xz)) as Stream)
            }
            _ => Archive::decompress(compression, input).map(|archive| Box::new(archive) as Stream),
        };
        match opened {
            Ok(stream) if pumps.is_some() => self.pumped(stream),
            Ok(mut stream) => self.output(&mut *stream),
            Err(failure) if opening.guess && !failure.goes_on => {}
            Err(failure) => self.failed(&failure),
        }
        if pumps.is_some() {
            self.walk.pumps.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Has a thread of its own undo the compression.
    fn pumped(&self, stream: Stream<'_>) {
        thread::scope(|scope| {
            let (to, from) = crossbeam_channel::bounded(AHEAD);
            let pumping = move || pump(stream, &to);
            // It reads through all the streams that this one comes from.
            let thread = thread::Builder::new().stack_size(STACK);
            match thread.spawn_scoped(scope, pumping) {
                Ok(_) => self.output(&mut Pumped::new(from)),
                Err(error) => {
                    let detail = format!("starting a thread: {error}");
                    self.place.problem(ProblemKind::Io, detail);
                }
            }
        });
    }

    /// Whether one more thread may decompress; it is counted then, and this is how many there are.
    fn may_pump(&self) -> Option<usize> {
        let most = self.walk.options.threads;
        let before = self.walk.pumps.fetch_add(1, Ordering::Relaxed);
        if most > 1 && before < most {
            return Some(before + 1);
        }
        self.walk.pumps.fetch_sub(1, Ordering::Relaxed);
        None
    }

    /// What comes out of a layer of compression.
    fn output(&self, stream: &mut (dyn BufRead + Send)) {
        let mut data = Vec::new();
        let whole = self.read(stream, &mut data, SMALL);
        if !self.place.spend(1, data.len() as u64) {
            return;
        }
        if !whole {
            return self.large(&data, stream, None, true);
        }
        if self.walk.seeker.seeks_size(data.len() as u64) {
            let name = digest(&data);
            if self.walk.seeker.seeks(&name) {
                self.walk.take(&name, Content::Memory(&data));
            }
        }
        self.unpack(Content::Memory(&data));
    }

    fn members(&self, format: Format, opening: Opening, input: Box<dyn Input + '_>) {
        let mut archive = match Archive::open(format, input) {
            Ok(archive) => archive,
            Err(_) if opening.guess => return,
            Err(failure) => return self.failed(&failure),
        };
        let mut batch = Batch::new(self.place.clone());
        let mut path = Vec::new();
        let (mut seen, mut told_encrypted) = (false, false);
        while !self.walk.has_ended() {
            match archive.next(&mut path) {
                Ok(None) => break,
                Ok(Some(_)) | Err(_) if !self.place.spend(1, 0) => break,
                Ok(Some(member)) if member.encrypted => {
                    if !told_encrypted {
                        let detail = "members are encrypted".to_owned();
                        self.place.problem(ProblemKind::Encrypted, detail);
                    }
                    told_encrypted = true;
                }
                Ok(Some(member)) => {
                    if !self.member(&member, &path, &mut archive, &mut batch) {
                        break;
                    }
                    if format.is_solid() && !self.pass(&mut archive) {
                        break;
                    }
                }
                Err(failure) => {
                    if seen || !opening.guess {
                        self.failed(&failure);
                    }
                    if !failure.goes_on {
                        break;
                    }
                }
            }
            seen = true;
            if batch.is_full() {
                self.walk.submit(batch.take());
            }
        }
        self.walk.submit(batch.take());
    }

    /// Goes through one member; `false` when the source's limits are used up.
    fn member(
        &self,
        member: &Member,
        path: &[u8],
        archive: &mut Archive<'_>,
        batch: &mut Batch,
    ) -> bool {
        let sought = |size: u64| self.walk.seeker.seeks_size(size);
        // As much as tells what it is, or all of it if it may be sought.
        let first = match member.size {
            Some(size) if !sought(size) => HEAD,
            _ => SMALL,
        };
        let mut whole = self.read(archive, batch.room(), first);
        let container = batch.is_container();
        if !whole && container && first == HEAD {
            whole = self.read(archive, batch.room(), SMALL - HEAD);
        }
        let size = batch.next().len() as u64;
        if whole {
            batch.push(path, sought(size));
            return self.place.spend(0, size);
        }
        match member.size {
            // Nobody seeks it, and it is no container. Only what is read counts: an archive may
            // claim any size.
            Some(all) if !container && !sought(all) => {
                batch.pass(all);
                self.place.spend(0, size)
            }
            all => {
                let head = batch.give_back();
                // What is in it comes after what came before it.
                self.walk.submit(batch.take());
                let inside = Container::new(self.walk, self.place.member(path));
                let goes_on = inside.place.spend(0, size);
                if goes_on {
                    inside.large(&head, archive, all, false);
                }
                goes_on
            }
        }
    }

    /// Reads what is left of a member, so that it counts and can be stopped: otherwise libarchive
    /// would do it unseen. `false` when the source's limits are used up.
    fn pass(&self, archive: &mut Archive<'_>) -> bool {
        while !self.walk.has_ended() {
            let count = match archive.fill_buf() {
                Ok(&[]) => break,
                Ok(piece) => piece.len(),
                // Who read the part that somebody seeks has told of it, or else nobody needs it.
                Err(_) => break,
            };
            if !self.place.spend(0, count as u64) {
                return false;
            }
            archive.consume(count);
        }
        true
    }

    /// Goes through a stream that begins with `head`, which has been counted already. `decided`:
    /// it is to be opened if it is a container; else that depends on its name, if that is known
    /// in time.
    fn large(
        &self,
        head: &[u8],
        rest: &mut (dyn BufRead + Send),
        size: Option<u64>,
        decided: bool,
    ) {
        let opening = Opening::of(head, size.unwrap_or(u64::MAX), None);
        let largest = self.walk.seeker.largest();
        let keep = match size {
            Some(size) => self.walk.seeker.seeks_size(size),
            None => largest >= head.len() as u64,
        };
        let by_position = matches!(
            opening,
            Some(Opening { kind: Kind::Archive(format), .. }) if !format.streams()
        );
        if opening.is_none() && !keep {
            return;
        }
        let most = if by_position { u64::MAX } else { largest };
        let most = (keep || by_position).then_some(most);
        let mut tee = Tee::new(self.walk, &self.place, head, rest, most);
        if let Some(opening) = opening.filter(|_| !by_position) {
            self.open(opening, Box::new(&mut tee));
        }
        let (kept, failure) = tee.finish();
        if let Some(detail) = failure {
            self.damaged(detail);
        }
        let Some((hasher, spool)) = kept else { return };
        let name = hasher.finish();
        if self.walk.seeker.seeks(&name) {
            self.walk.take(&name, spool.content());
        }
        if by_position && (decided || self.walk.opens(&name, &self.place)) {
            self.unpack(spool.content());
        }
    }

    /// Appends at most `most` bytes; tells whether that was all. After damage it was: what came
    /// before it is what other programs would have left, too.
    fn read(&self, stream: &mut (dyn BufRead + Send), data: &mut Vec<u8>, most: usize) -> bool {
        let mut left = most;
        while left > 0 {
            match stream.fill_buf() {
                Ok(&[]) => return true,
                Ok(piece) => {
                    let count = piece.len().min(left);
                    data.extend_from_slice(&piece[..count]);
                    stream.consume(count);
                    left -= count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.damaged(error.to_string());
                    return true;
                }
            }
        }
        false
    }

    fn failed(&self, failure: &Failure) {
        self.damaged(failure.to_string());
    }

    fn damaged(&self, detail: String) {
        // A stream that was left early looks like a cut one.
        if self.walk.has_ended() || self.place.is_spent() {
            return;
        }
        // libarchive has no code for it.
        let encrypted = ["encrypt", "passphrase"]
            .iter()
            .any(|word| detail.to_ascii_lowercase().contains(word));
        let kind = if encrypted {
            ProblemKind::Encrypted
        } else {
            ProblemKind::Damaged
        };
        self.place.problem(kind, detail);
    }
}

fn part(data: &[u8], at: u64, count: usize) -> &[u8] {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(data.len());
    &data[at..][..count.min(data.len() - at)]
}

/// Reads at most so many bytes from there on.
fn read_at(file: &std::fs::File, at: u64, count: usize) -> io::Result<Vec<u8>> {
    let left = file.metadata()?.len().saturating_sub(at);
    let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
    let mut data = vec![0; count];
    let mut filled = 0;
    while filled < count {
        match file.read_at(&mut data[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    data.truncate(filled);
    Ok(data)
}
