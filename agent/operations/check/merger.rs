// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The database's stream of needed blobs beside the repository's shards: what of the stream belongs
//! to a shard is kept until the shard was read, then both are merged. Asked to give way, it ends
//! with the shards that were begun by then.

use super::explain::Explainer;
use super::merge::{self, Places, Rank, Want};
use super::probe;
use super::report::{Finding, Kind, Tally};
use super::roots::Roots;
use super::shards::InOrder;
use super::walk::{Hidden, Shard, Walker};
use crate::blob::{PfileName, Tree};
use crate::fossology::catalogue::{Moment, Needed};
use crate::fossology::database;
use crate::operations::{Error, Result};
use serde_json::Value;
use std::io;

/// What was looked at.
#[derive(Default)]
pub(super) struct Totals {
    pub needed: Tally,
    pub files: Tally,
    pub folders: u64,
    pub empty: u64,
    /// Rows whose hashes or size are none; they are met in every run, wherever that begins.
    pub broken: Vec<Finding>,
    /// The shard before which it gave way.
    pub left_at: Option<usize>,
}

/// Where the files of a shard come from.
pub(super) enum Source<'a> {
    /// A walk of everything.
    Walk(&'a mut InOrder<Shard>),
    /// A look at the places of single blobs, by so many threads.
    Probe(usize),
}

/// Merges the database's stream with the repository's shards.
pub(super) struct Merger<'m, 'w, 'e> {
    walker: &'m Walker<'w>,
    explainer: &'m mut Explainer<'e>,
    totals: &'m mut Totals,
    source: Source<'m>,
    wants: Vec<Want>,
    /// The first shard that is looked at; what is before it was looked at by an earlier run.
    first: usize,
    shard: usize,
}

impl<'m, 'w, 'e> Merger<'m, 'w, 'e> {
    pub fn new(
        walker: &'m Walker<'w>,
        explainer: &'m mut Explainer<'e>,
        totals: &'m mut Totals,
        source: Source<'m>,
        first: usize,
    ) -> Self {
        Self {
            walker,
            explainer,
            totals,
            source,
            wants: Vec::new(),
            first,
            shard: first,
        }
    }

    /// Merges all of it.
    ///
    /// # Errors
    /// When the database or the vault fails, or somebody asked to stop.
    pub fn merge(&mut self, moment: &mut Moment<'_>, uploads: &[i32]) -> Result<()> {
        let mut failed = None;
        let each = |needed: Needed| {
            self.take(needed).map_err(|error| {
                failed = Some(error);
                database::Error::Stream {
                    doing: "merging",
                    source: io::Error::from(io::ErrorKind::Interrupted),
                }
            })
        };
        let streamed = if uploads.is_empty() {
            moment.sorted(each)
        } else {
            moment.sorted_of(uploads, each)
        };
        match failed {
            // That it gives way is no failure; what was merged until then is told.
            Some(Error::GaveWay { .. }) => return Ok(()),
            Some(error) => return Err(error),
            None => streamed?,
        }
        while self.shard < self.walker.shards() {
            match self.finish_shard() {
                Err(Error::GaveWay { .. }) => return Ok(()),
                finished => finished?,
            }
        }
        Ok(())
    }

    fn take(&mut self, needed: Needed) -> Result<()> {
        if self
            .walker
            .only
            .is_some_and(|only| !only.contains(needed.pfile))
        {
            return Ok(());
        }
        let Ok(name) = needed.name else {
            self.totals.broken.push(Finding {
                pfile: Some(needed.pfile),
                ..Finding::new(
                    Kind::BrokenRow,
                    format!("the hashes or the size of pfile {} are none", needed.pfile),
                )
            });
            return Ok(());
        };
        let shard = self.walker.shard_of(&name);
        if shard < self.first {
            return Ok(());
        }
        while self.shard < shard {
            self.finish_shard()?;
        }
        match self.wants.last_mut() {
            // Two rows may differ in their SHA-256 alone, or in that one has none.
            Some(last) if last.name == name => last.trees = last.trees.union(needed.trees),
            _ => {
                self.totals.needed.count += 1;
                self.totals.needed.bytes += name.size();
                self.wants.push(Want {
                    name,
                    pfile: needed.pfile,
                    trees: needed.trees,
                });
            }
        }
        Ok(())
    }

    fn finish_shard(&mut self) -> Result<()> {
        self.expect_way()?;
        let shard = match &mut self.source {
            Source::Walk(results) => results.next().unwrap_or_default(),
            Source::Probe(threads) => probe::probe(self.walker, &self.wants, *threads),
        };
        // What was not read must not be taken for missing.
        self.walker.context.stop.check()?;
        let wants = std::mem::take(&mut self.wants);
        self.merge_shard(&wants, shard)?;
        self.shard += 1;
        self.wants = wants;
        self.wants.clear();
        Ok(())
    }

    /// Ends before a shard that was not begun when somebody wants the way.
    fn expect_way(&mut self) -> Result<()> {
        // A look at chosen blobs is a part of something else.
        if !self.walker.context.stop.gives_way() || self.walker.only.is_some() {
            return Ok(());
        }
        let more = match &mut self.source {
            Source::Walk(results) => results.end_early(),
            Source::Probe(_) => false,
        };
        if more {
            return Ok(());
        }
        self.totals.left_at = Some(self.shard);
        Err(Error::GaveWay {
            carried: Value::Null,
        })
    }

    /// What lies outside of all shards.
    ///
    /// # Errors
    /// When the database or the vault fails, or somebody asked to stop.
    pub fn rest(&mut self) -> Result<()> {
        if self.totals.left_at.is_some() {
            return Ok(());
        }
        if let Source::Walk(results) = &mut self.source {
            let shard = results.next().unwrap_or_default();
            self.walker.context.stop.check()?;
            self.merge_shard(&[], shard)?;
        }
        Ok(())
    }

    fn merge_shard(&mut self, wants: &[Want], shard: Shard) -> Result<()> {
        self.totals.folders += shard.folders;
        self.totals.empty += shard.empty;
        for found in shard.found.iter().chain(&shard.strays) {
            self.totals.files.count += 1;
            self.totals.files.bytes += found.size;
        }
        for finding in shard.findings {
            self.explainer.findings.add(finding);
        }
        let view = View {
            roots: self.walker.roots,
            group: self.walker.group,
            hidden: &shard.hidden,
        };
        merge::merge(wants, &shard.found, &view, &mut |verdict| {
            self.explainer.take(verdict)
        });
        self.explainer.take_strays(shard.strays);
        self.explainer.explain_some()
    }
}

/// What the merge has to know of the repository.
struct View<'a> {
    roots: &'a Roots,
    group: Option<u32>,
    hidden: &'a [Hidden],
}

impl Places for View<'_> {
    fn rank(&self, root: u16, _: Tree, name: &PfileName) -> Rank {
        self.roots.rank(root, name)
    }

    fn is_hidden(&self, tree: Tree, name: &PfileName) -> bool {
        self.roots.lies_elsewhere(name)
            || self.roots.places(tree, name).any(|root| {
                self.roots.list[usize::from(root)].hidden
                    || self.hidden.iter().any(|hidden| {
                        hidden.root == root && name.sha1().starts_with(&hidden.prefix)
                    })
            })
    }

    fn group(&self) -> Option<u32> {
        self.group
    }
}
