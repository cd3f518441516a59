// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who decides what? One stream of all places of all blobs goes by, upload by upload, and what is
//! remembered are bits by key: what some place keeps, and what each rule would drop. So ten million
//! blobs take some megabytes, and a blob goes only when no place of it, in any upload, keeps it.

use super::facts::Upload;
use super::policy::{Action, Place, Policy};
use crate::blob::Tree;
use crate::fossology::catalogue::{Columns, Moment, TreeRow};
use crate::fossology::own::{self, BlobState};
use crate::operations::{Context, Result};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, HashMap};

/// The bits of `ufile_mode` that tell what was unpacked further, and what the unpacker made up.
const CONTAINER: u32 = 1 << 29;
const ARTIFACT: u32 = 1 << 28;

/// What was decided about every blob.
#[derive(Default)]
pub(super) struct Survey {
    /// Uploaded files: they are never removed.
    pub gold: RoaringBitmap,
    /// What some place keeps.
    pub keep: RoaringBitmap,
    /// What each rule would drop, by the first place that met it; last the default.
    pub by_rule: Vec<RoaringBitmap>,
    /// What several uploads need.
    pub shared: RoaringBitmap,
    /// What recovery cannot make again.
    pub not_reproducible: RoaringBitmap,
    /// What is pruned already.
    pub pruned: RoaringBitmap,
}

impl Survey {
    /// Takes it.
    pub fn take(
        moment: &mut Moment<'_>,
        policy: &Policy,
        uploads: &BTreeMap<i32, Upload>,
        context: Context<'_>,
    ) -> Result<Self> {
        let mut survey = Self {
            by_rule: vec![RoaringBitmap::new(); policy.rules.len() + 1],
            ..Self::default()
        };
        moment.keys(Tree::Gold, |key, _| {
            survey.gold.insert(key);
        })?;
        moment.not_reproducible(|key| {
            survey.not_reproducible.insert(key);
        })?;
        let pruned = &mut survey.pruned;
        own::blobs_in_state(moment.transaction(), BlobState::Pruned, |key| {
            pruned.extend(u32::try_from(key));
        })?;
        let mut findings = RoaringBitmap::new();
        if policy.asks(|rule| rule.findings.is_some()) {
            moment.with_findings(|key| {
                findings.insert(key);
            })?;
        }
        let mut types: HashMap<i32, Vec<u8>> = HashMap::new();
        if policy.asks(|rule| rule.mimetype.is_some()) {
            types.extend(moment.mimetypes()?);
        }
        let sharing = Sharing::count(moment, policy.most_uploads())?;
        let columns = Columns {
            mimetypes: !types.is_empty(),
            names: policy.asks(|rule| rule.name.is_some()),
            paths: policy.asks(|rule| rule.path.is_some()),
        };
        let mut upload = At::default();
        let mut path = Path::default();
        let mut meets = Meets::default();
        let mut count = 0_u64;
        let mut stopped = Ok(());
        moment.places(columns, |row| {
            if upload.key != Some(row.upload) {
                upload.enter(row.upload, uploads, policy);
                path.clear();
            }
            let full = if columns.paths {
                path.enter(row)
            } else {
                Some(&[][..])
            };
            let Some(key) = row.pfile else { return Ok(()) };
            count += 1;
            if count.is_multiple_of(1 << 16) && stopped.is_ok() {
                context.progress.advance(1 << 16, 0);
                stopped = context.stop.check();
            }
            meets.meet(row.upload, key, &mut survey.shared);
            // Without numbers no path is known, so no rule can decide.
            let (Some(rules), Some(path)) = (&upload.rules, full) else {
                survey.keep.insert(key);
                return Ok(());
            };
            let place = Place {
                size: row.size,
                mimetype: row
                    .mimetype
                    .and_then(|key| types.get(&key))
                    .map(Vec::as_slice),
                name: row.name,
                path,
                is_container: row.mode & CONTAINER != 0,
                is_artifact: row.mode & ARTIFACT != 0,
                uploads: sharing.uploads(key),
                has_findings: findings.contains(key),
            };
            let decision = policy.decide(rules, &place);
            match decision.action {
                Action::Keep => {
                    survey.keep.insert(key);
                }
                Action::Drop => {
                    if !survey.by_rule.iter().any(|rule| rule.contains(key)) {
                        let at = decision.rule.unwrap_or(policy.rules.len());
                        survey.by_rule[at].insert(key);
                    }
                }
            }
            Ok(())
        })?;
        stopped?;
        // One file has several rows when they differ in the SHA-256 alone: what keeps one keeps
        // them all.
        moment.twins(|a, b| {
            for set in [
                &mut survey.keep,
                &mut survey.gold,
                &mut survey.not_reproducible,
            ] {
                if set.contains(a) {
                    set.insert(b);
                }
            }
        })?;
        Ok(survey)
    }

    /// What may go if it is proven to come back.
    pub fn candidates(&self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        for rule in &self.by_rule {
            all |= rule;
        }
        all -= &self.keep;
        all -= &self.gold;
        all -= &self.not_reproducible;
        all -= &self.pruned;
        all
    }
}

/// The upload that the stream is at.
#[derive(Default)]
struct At {
    key: Option<i32>,
    /// The rules that hold for it; none when all of it stays.
    rules: Option<Vec<usize>>,
}

impl At {
    fn enter(&mut self, key: i32, uploads: &BTreeMap<i32, Upload>, policy: &Policy) {
        self.key = Some(key);
        let upload = uploads.get(&key).filter(|upload| upload.hold.is_none());
        self.rules = upload.map(|upload| policy.rules_for(&upload.facts));
    }
}

/// Which blobs come by in more than one upload.
#[derive(Default)]
struct Meets {
    upload: Option<i32>,
    now: RoaringBitmap,
    before: RoaringBitmap,
}

impl Meets {
    fn meet(&mut self, upload: i32, key: u32, shared: &mut RoaringBitmap) {
        if self.upload != Some(upload) {
            self.upload = Some(upload);
            self.before |= std::mem::take(&mut self.now);
        }
        self.now.insert(key);
        if self.before.contains(key) {
            shared.insert(key);
        }
    }
}

/// In how many uploads blobs are, as far as a policy asks: a set for each number.
#[derive(Default)]
struct Sharing(Vec<RoaringBitmap>);

impl Sharing {
    fn count(moment: &mut Moment<'_>, most: u32) -> Result<Self> {
        let mut sets = vec![RoaringBitmap::new(); most as usize];
        if most == 0 {
            return Ok(Self(sets));
        }
        let mut upload = None;
        let mut now = RoaringBitmap::new();
        let end = |now: &mut RoaringBitmap, sets: &mut [RoaringBitmap]| {
            for at in (1..sets.len()).rev() {
                let more = &sets[at - 1] & &*now;
                sets[at] |= more;
            }
            sets[0] |= std::mem::take(now);
        };
        moment.places(Columns::default(), |row| {
            if upload != Some(row.upload) {
                upload = Some(row.upload);
                end(&mut now, &mut sets);
            }
            now.extend(row.pfile);
            Ok(())
        })?;
        end(&mut now, &mut sets);
        Ok(Self(sets))
    }

    fn uploads(&self, key: u32) -> u32 {
        self.0.iter().take_while(|set| set.contains(key)).count() as u32
    }
}

/// The path of where a walk through an upload's tree is, from the numbers of its nested set.
#[derive(Default)]
struct Path {
    text: Vec<u8>,
    /// For each node that the walk is in: its right number, and where the path of what is in it
    /// begins to differ.
    open: Vec<(i32, usize)>,
}

impl Path {
    fn clear(&mut self) {
        self.open.clear();
    }

    /// The path of the next row, as FOSSology's pages show it: what the unpacker made up on the way
    /// is left out. None for one without numbers.
    fn enter(&mut self, row: &TreeRow<'_>) -> Option<&[u8]> {
        let (left, right) = row.range?;
        while self.open.last().is_some_and(|(end, _)| *end < left) {
            self.open.pop();
        }
        let above = self.open.last().map_or(0, |(_, length)| *length);
        self.text.truncate(above);
        if above > 0 {
            self.text.push(b'/');
        }
        self.text.extend_from_slice(row.name);
        let is_artifact = row.mode & ARTIFACT != 0;
        let below = if is_artifact { above } else { self.text.len() };
        self.open.push((right, below));
        Some(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_the_nested_set_and_leave_out_what_was_made_up() {
        let mut path = Path::default();
        let mut enter = |name: &str, mode, range| {
            let row = TreeRow {
                name: name.as_bytes(),
                mode,
                range,
                ..TreeRow::default()
            };
            let path = path.enter(&row);
            path.map(|path| String::from_utf8(path.to_vec()).unwrap())
        };
        for (name, mode, range, expected) in [
            ("a.tgz", 0, (1, 14), "a.tgz"),
            ("artifact.dir", ARTIFACT, (2, 13), "a.tgz/artifact.dir"),
            ("a.tar", 0, (3, 12), "a.tgz/a.tar"),
            (
                "artifact.dir",
                ARTIFACT,
                (4, 11),
                "a.tgz/a.tar/artifact.dir",
            ),
            ("src", 0, (5, 8), "a.tgz/a.tar/src"),
            ("main.c", 0, (6, 7), "a.tgz/a.tar/src/main.c"),
            ("README", 0, (9, 10), "a.tgz/a.tar/README"),
        ] {
            assert_eq!(enter(name, mode, Some(range)).as_deref(), Some(expected));
        }
        assert_eq!(enter("x", 0, None), None);
    }

    #[test]
    fn what_comes_in_a_second_upload_is_shared() {
        let (mut meets, mut shared) = (Meets::default(), RoaringBitmap::new());
        for (upload, key) in [(1, 7), (1, 7), (1, 8), (2, 9), (3, 7), (3, 10)] {
            meets.meet(upload, key, &mut shared);
        }
        assert_eq!(shared, [7].into_iter().collect());
    }
}
