// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a repository host has lost: the blobs that the living database needs, that belong onto one
//! of these hosts by the ranges of fossology.conf, and that are not there. They come from whichever
//! snapshot of the vault has them, and gold that snapshots leave to the web from there.
//!
//! What is there is not opened. Killed anywhere, the same look finds what still lacks.

use super::blobs::Selection;
use super::{Options, Report, hit, plan, room, writer};
use crate::blob::{HostName, PfileName, Tree, TreeSet};
use crate::fossology::catalogue::Moment;
use crate::fossology::own::{self, BlobState, Outcome};
use crate::fossology::repository::{Layout, Reader};
use crate::operations::recover::{Amount, cannot_look};
use crate::operations::{Context, Error, Instance, Result, by_url, history, verify};
use crate::vault::{ByUrl, IndexMerge, Vault};
use roaring::RoaringBitmap;
use serde_json::json;
use std::io;
use std::time::Instant;

/// Brings back what lacks on the hosts that the options name; a dry run only looks. It stands in the
/// history as the recovery that it is: no database was restored.
pub(super) fn run(
    instance: &Instance,
    vault: &Vault,
    layout: &Layout,
    options: &Options,
    report: &mut Report,
    context: Context<'_>,
) -> Result<()> {
    let client = match options.dry_run {
        true => None,
        false => verify::connect(vault, instance, "restore")
            .inspect_err(|error| log::info!("the run is not in the history: {error}"))
            .ok(),
    };
    let record = client.and_then(|mut client| {
        let record = verify::start_record(instance, &mut client, "recover")?;
        Some((record, client))
    });
    let done = bring_back(instance, vault, layout, options, report, context);
    let Some((record, mut client)) = record else {
        return done;
    };
    let noted = match &done {
        Ok(()) => {
            let outcome = if report.is_incomplete() || report.not_in_snapshot > 0 {
                Outcome::Incomplete
            } else {
                Outcome::Done
            };
            let hosts: Vec<String> = options.repo_hosts.iter().map(HostName::to_string).collect();
            let counts = json!({
                "repo_hosts": hosts, "blobs": report.blobs, "damaged": report.damaged.len(),
                "not_in_snapshot": report.not_in_snapshot, "from_web": report.by_url.written,
            });
            record.finish(&mut client, outcome, None, &counts, None)
        }
        Err(error) => history::not_done(record, &mut client, None, error),
    };
    if let Err(error) = noted {
        log::warn!("the run could not be written into the history: {error}");
    }
    done
}

fn bring_back(
    instance: &Instance,
    vault: &Vault,
    layout: &Layout,
    options: &Options,
    report: &mut Report,
    context: Context<'_>,
) -> Result<()> {
    let began = Instant::now();
    let names = instance.repository_hosts(&options.repo_hosts)?;
    let hosts = Hosts::new(layout, &names)?;
    if !options.dry_run {
        hosts.expect_storage()?;
    }
    let _files = plan::hold_files(instance, layout, options)?;
    let mut selection = hosts.lacking(instance, vault, context)?;
    report.not_in_snapshot = selection.not_in_snapshot;
    report.pruned = selection.pruned;
    report.lacking = Some(Amount {
        blobs: selection.blobs,
        bytes: selection.bytes,
    });
    let lacking = selection.lacking.clone();
    let mut on_the_web = Amount::default();
    for blob in &selection.by_url {
        on_the_web.add(blob.name.size());
    }
    report.on_the_web = Some(on_the_web);
    if options.dry_run {
        report.damaged.clone_from(&selection.damaged);
    } else {
        room::expect_space(layout, &selection)?;
        let left = std::mem::take(&mut selection.by_url);
        let threads = options.threads;
        let (written, damaged) = writer::write(
            vault,
            selection,
            layout,
            instance,
            threads,
            context,
            &|_| {},
        )?;
        report.blobs = Some(written);
        report.damaged = damaged;
        let gold = &options.gold;
        let (mut fetched, later) = by_url::bring_back(&left, gold, instance, layout, context)?;
        by_url::once_more(&later, gold, instance, layout, context, &mut fetched)?;
        report.by_url = fetched;
    }
    let mut client = instance.connect("restore")?;
    report.uploads = hit::uploads(&mut client, &lacking, &report.damaged)?;
    report.seconds.repository = began.elapsed().as_secs_f64();
    Ok(())
}

/// Where a file was seen last on the web.
fn newest(urls: &[ByUrl]) -> Option<&ByUrl> {
    urls.iter().max_by_key(|blob| blob.asked)
}

/// The hosts of which all is looked for.
struct Hosts<'a> {
    layout: &'a Layout,
    reader: Reader,
    hosts: &'a [Option<HostName>],
}

impl<'a> Hosts<'a> {
    /// Hosts that fossology.conf has.
    fn new(layout: &'a Layout, hosts: &'a [Option<HostName>]) -> Result<Self> {
        Ok(Self {
            layout,
            reader: Reader::new(layout.clone())?,
            hosts,
        })
    }

    /// Refuses when the storage of one of them is not there: what is written would lie in the folder
    /// below its mount.
    fn expect_storage(&self) -> Result<()> {
        for host in self.hosts.iter().flatten() {
            let path = self.layout.path().join(host.as_str());
            if !path.is_dir() {
                let host = host.to_string();
                return Err(Error::NoStorage { host, path });
            }
        }
        Ok(())
    }

    /// What lacks on them, as far as the vault has it.
    fn lacking(
        &self,
        instance: &Instance,
        vault: &Vault,
        context: Context<'_>,
    ) -> Result<Selection> {
        let mut client = instance.connect("restore")?;
        let mut moment = Moment::begin(&mut client)?;
        let mut selection = Selection::of_vault(vault)?;
        let on_the_web = by_url::all_left_to_the_web(vault)?;
        let indexes = selection.indexes();
        let mut merge = IndexMerge::new(&indexes)?;
        let mut pruned = RoaringBitmap::new();
        own::blobs_in_state(moment.transaction(), BlobState::Pruned, |key| {
            pruned.extend(u32::try_from(key));
        })?;
        let (blobs, _) = moment.totals()?;
        context.progress.begin("looking what lacks", blobs, 0);
        let mut failed = None;
        let streamed = moment.sorted(|needed| {
            context.progress.advance(1, 0);
            let Ok(name) = needed.name else {
                return Ok(());
            };
            let looked = self.lacks(&name, needed.trees).and_then(|trees| {
                context.stop.check()?;
                if trees.is_empty() {
                    return Ok(());
                }
                if pruned.contains(needed.pfile) && !needed.trees.contains(Tree::Gold) {
                    selection.pruned += 1;
                    return Ok(());
                }
                match merge.seek(&name)? {
                    Some((pack, number, record)) if record.name == name => {
                        selection.want(pack, number, &name, trees);
                    }
                    _ => match on_the_web.get(&name).and_then(|urls| newest(urls)) {
                        Some(left) => selection.by_url.push(ByUrl {
                            files: trees.contains(Tree::Files),
                            ..left.clone()
                        }),
                        None => {
                            selection.not_in_snapshot += 1;
                            selection.lacking.insert(needed.pfile);
                        }
                    },
                }
                Ok(())
            });
            looked.map_err(|error| {
                failed = Some(error);
                // Ends the stream; the reason is the one that was kept.
                crate::fossology::database::Error::Stream {
                    doing: "looking for blobs",
                    source: io::Error::from(io::ErrorKind::Interrupted),
                }
            })
        });
        match failed {
            Some(error) => return Err(error),
            None => streamed?,
        }
        moment.end()?;
        context.progress.end();
        Ok(selection)
    }

    /// The trees in which a blob belongs onto these hosts and is not.
    fn lacks(&self, name: &PfileName, trees: TreeSet) -> Result<TreeSet> {
        let mut lacking = TreeSet::NONE;
        for tree in trees.iter() {
            let host = self.layout.write_host(tree, name);
            let is_ours = self.hosts.iter().any(|ours| ours.as_ref() == host);
            if is_ours && !self.reader.has(tree, name).map_err(cannot_look)? {
                lacking = lacking.with(tree);
            }
        }
        Ok(lacking)
    }
}
