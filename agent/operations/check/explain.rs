// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! From verdicts to findings: which uploads a loss hits, whether it is one at all (a policy may
//! have removed the blob, its upload may be on its way or be deleted by now), and how the blob
//! could come back. The database is asked for many blobs at once, as it is now; the vault's
//! indexes are gone through once, in the order of names.

use super::found::{Age, Found};
use super::merge::{Verdict, Want};
use super::report::{Finding, Findings, Kind, Recovery};
use super::roots::Roots;
use super::uploads::Uploads;
use crate::blob::{PfileName, Tree, TreeSet};
use crate::fossology::catalogue::{self, Use};
use crate::operations::{Result, by_url};
use crate::vault::{IndexFile, IndexMerge, Members, Vault};
use postgres::Client;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How many losses wait until all that is misplaced is known.
const PENDING: usize = 1 << 18;
/// How many misplaced blobs are remembered.
const STRAYS: usize = 1 << 18;
/// How many blobs the database is asked for at once.
const BATCH: usize = 4096;
/// How many files of an upload are looked for when its gold is gone.
const SAMPLE: i64 = 64;

/// What the vault knows that helps.
#[derive(Default)]
pub struct InVault<'a> {
    /// The vault, if there is one.
    pub vault: Option<&'a Vault>,
    /// The indexes of its packs.
    pub indexes: Vec<IndexFile>,
    /// Gold that its snapshots leave to the web, once that was asked for.
    pub on_the_web: OnceCell<HashSet<PfileName>>,
}

impl InVault<'_> {
    /// Whether a snapshot leaves this to the web. All are read for the first that is asked for, which
    /// on a server takes a request each; so whoever has another answer does not ask.
    fn leaves_to_the_web(&self, name: &PfileName) -> Result<bool> {
        let known = match (self.on_the_web.get(), self.vault) {
            (Some(known), _) => known,
            (None, None) => return Ok(false),
            (None, Some(vault)) => {
                let left = by_url::all_left_to_the_web(vault)?.into_keys().collect();
                self.on_the_web.get_or_init(|| left)
            }
        };
        Ok(known.contains(name))
    }
}

/// A loss or damage that is not explained yet.
struct Pending {
    kind: Kind,
    want: Want,
    /// Where it is missing or damaged.
    trees: TreeSet,
    other_tree: bool,
    root: Option<u16>,
    path: Option<String>,
    detail: String,
}

/// Turns verdicts into findings.
pub struct Explainer<'a> {
    roots: &'a Roots,
    client: &'a mut Client,
    vault: &'a InVault<'a>,
    /// What was found so far.
    pub findings: Findings,
    /// Blobs of which nobody can tell whether they are there.
    pub hidden: u64,
    /// Blobs that were deleted while the check ran.
    pub deleted: u64,
    /// Blobs that other hosts may have.
    pub unseen: Members,
    pending: Vec<Pending>,
    strays: BTreeMap<PfileName, Vec<Found>>,
    orphans: Vec<Found>,
    /// Uploads' own files that are damaged.
    pub bad_gold: HashSet<PfileName>,
    /// What is known of uploads.
    pub uploads: Uploads,
}

impl<'a> Explainer<'a> {
    /// Asks which uploads are on their way.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn new(roots: &'a Roots, client: &'a mut Client, vault: &'a InVault<'a>) -> Result<Self> {
        let uploads = Uploads::new(client)?;
        Ok(Self {
            roots,
            client,
            vault,
            findings: Findings::default(),
            hidden: 0,
            deleted: 0,
            unseen: Members::default(),
            pending: Vec::new(),
            strays: BTreeMap::new(),
            orphans: Vec::new(),
            bad_gold: HashSet::new(),
            uploads,
        })
    }

    /// Takes a verdict.
    pub fn take(&mut self, verdict: Verdict<'_>) {
        match verdict {
            Verdict::Unneeded(found) => self.unneeded(found.clone()),
            Verdict::Remark {
                kind,
                found,
                want,
                only,
            } => {
                let detail = match kind {
                    Kind::WrongMode => {
                        format!("the file has mode {:04o}, expected 0660", found.mode)
                    }
                    Kind::WrongOwner => format!("the file belongs to group {}", found.gid),
                    Kind::InFallback => "lies on a host that is only looked at later".into(),
                    _ => misplaced(only).into(),
                };
                if only {
                    self.pend(kind, want, found, false, detail);
                } else {
                    let finding = self.of_file(kind, found, detail);
                    self.findings.add(Finding {
                        pfile: Some(want.pfile),
                        ..finding
                    });
                }
            }
            Verdict::Damaged {
                kind,
                found,
                want,
                other_tree,
            } => {
                let detail = match kind {
                    Kind::SizeWrong => {
                        format!("has {} bytes, expected {}", found.size, want.name.size())
                    }
                    Kind::Corrupt => "its content is not what its name says".into(),
                    _ => "could not be read".into(),
                };
                if found.tree == Tree::Gold && self.bad_gold.len() < PENDING {
                    self.bad_gold.insert(want.name);
                }
                self.pend(kind, want, found, other_tree, detail);
            }
            Verdict::Absent {
                want,
                trees,
                other_tree,
            } => {
                let (kind, detail) = if other_tree {
                    (
                        Kind::MissingInTree,
                        "gone here, whole in the other tree; a hard link brings it back",
                    )
                } else {
                    (Kind::Missing, "lies nowhere")
                };
                self.pending.push(Pending {
                    kind,
                    want: *want,
                    trees,
                    other_tree,
                    root: None,
                    path: None,
                    detail: detail.into(),
                });
            }
            Verdict::Hidden { want, trees } => {
                if self.roots.lies_elsewhere(&want.name) {
                    self.unseen.insert(want.pfile, trees);
                } else {
                    self.hidden += 1;
                }
            }
        }
    }

    fn pend(&mut self, kind: Kind, want: &Want, found: &Found, other_tree: bool, detail: String) {
        self.pending.push(Pending {
            kind,
            want: *want,
            trees: TreeSet::of(found.tree),
            other_tree,
            root: Some(found.root),
            path: Some(self.path(found)),
            detail,
        });
    }

    fn unneeded(&mut self, found: Found) {
        match found.age {
            Age::Recent => self.orphans.push(found),
            Age::Fresh => self.on_its_way(&found),
            Age::Old => self.orphan(&found),
        }
    }

    fn on_its_way(&mut self, found: &Found) {
        let finding = self.of_file(Kind::InFlight, found, "came while the check ran".into());
        self.findings.add(finding);
    }

    fn orphan(&mut self, found: &Found) {
        let finding = self.of_file(
            Kind::Orphan,
            found,
            "no row of the database needs it".into(),
        );
        self.findings.add(finding);
    }

    /// Takes blobs that lie in folders of other names, or in none.
    pub fn take_strays(&mut self, strays: Vec<Found>) {
        for stray in strays {
            if self.strays.len() < STRAYS {
                self.strays.entry(stray.name).or_default().push(stray);
            } else {
                // Too many to look each up: that they lie in the wrong place is certain.
                let kind = super::merge::misplaced(&stray);
                let finding = self.of_file(kind, &stray, misplaced(true).into());
                self.findings.add(finding);
            }
        }
    }

    /// Explains what waits, when enough has come together. Verdicts come in the order of names,
    /// so the vault's indexes are only ever gone through forwards.
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub fn explain_some(&mut self) -> Result<()> {
        if self.pending.len() >= PENDING {
            self.explain_pending()?;
        }
        if self.orphans.len() >= BATCH {
            self.explain_orphans()?;
        }
        Ok(())
    }

    /// Explains all that waits.
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub fn explain_all(&mut self) -> Result<()> {
        self.explain_pending()?;
        self.explain_strays()?;
        self.explain_orphans()
    }

    fn explain_pending(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(());
        }
        let mut vault = IndexMerge::new(&self.vault.indexes)?;
        let mut batch = Vec::with_capacity(BATCH);
        for item in pending {
            batch.push(item);
            if batch.len() == BATCH {
                self.explain_batch(std::mem::take(&mut batch), &mut vault)?;
            }
        }
        self.explain_batch(batch, &mut vault)
    }

    fn explain_batch(&mut self, batch: Vec<Pending>, vault: &mut IndexMerge<'_>) -> Result<()> {
        let keys: Vec<u32> = batch.iter().map(|item| item.want.pfile).collect();
        let needed: BTreeSet<u32> = catalogue::still_needed(self.client, &keys)?
            .into_iter()
            .collect();
        let (pruned, not_reproducible) = catalogue::states(self.client, &keys)?;
        let uses = catalogue::uses(self.client, &keys)?;
        self.uploads.learn(self.client, &uses)?;
        for item in batch {
            let Want { name, pfile, .. } = item.want;
            if !needed.contains(&pfile) {
                self.deleted += 1;
                continue;
            }
            let from = uses.partition_point(|one| one.pfile < pfile);
            let to = uses.partition_point(|one| one.pfile <= pfile);
            let uses = &uses[from..to];
            // Every blob is looked up, so that the indexes are gone through evenly.
            let in_vault = vault
                .seek(&name)?
                .is_some_and(|(_, _, record)| record.name == name);
            let reproducible = !not_reproducible.contains(&pfile);
            self.explain_one(item, uses, pruned.contains(&pfile), reproducible, in_vault)?;
        }
        Ok(())
    }

    fn explain_one(
        &mut self,
        mut item: Pending,
        uses: &[Use],
        pruned: bool,
        reproducible: bool,
        in_vault: bool,
    ) -> Result<()> {
        let name = item.want.name;
        if matches!(item.kind, Kind::Missing | Kind::MissingInTree) {
            self.claim_strays(&mut item);
        }
        if matches!(item.kind, Kind::Missing | Kind::MissingInTree) {
            if pruned && !item.trees.contains(Tree::Gold) {
                (item.kind, item.detail) = (Kind::Pruned, "removed by a policy".into());
            } else if uses.iter().all(|one| self.uploads.is_in_flight(one.upload)) {
                item.kind = Kind::InFlight;
                item.detail = "its upload is still being fetched or unpacked".into();
            }
        }
        if item.kind == Kind::Missing && item.trees.contains(Tree::Gold) && self.has_files(uses)? {
            item.kind = Kind::GoldDeleted;
            item.detail = "the uploaded file is gone, what was unpacked from it is there".into();
        }
        let is_loss = matches!(
            item.kind,
            Kind::Missing
                | Kind::GoldDeleted
                | Kind::MissingInTree
                | Kind::SizeWrong
                | Kind::Corrupt
                | Kind::Unreadable
        );
        let recovery = if !is_loss {
            None
        } else if item.other_tree {
            Some(Recovery::OtherTree)
        } else if reproducible && uses.iter().any(|one| self.has_gold(one.upload, &name)) {
            Some(Recovery::RecoverableFromGold)
        } else if in_vault {
            Some(Recovery::RecoverableFromVault)
        } else if self.vault.leaves_to_the_web(&name)? {
            Some(Recovery::RecoverableFromWeb)
        } else {
            Some(Recovery::Lost)
        };
        let mut uploads: Vec<i32> = uses.iter().map(|one| one.upload).collect();
        uploads.dedup();
        if item.kind.severity().is_some() {
            self.uploads.count(&uploads, item.kind);
        }
        uploads.truncate(Finding::UPLOADS);
        let mut trees = item.trees.iter();
        let tree = match (trees.next(), trees.next()) {
            (Some(tree), None) => Some(tree),
            _ => None,
        };
        let root = item.root.map(|root| &self.roots.list[usize::from(root)]);
        let written_to = tree
            .and_then(|tree| self.roots.layout().write_host(tree, &name))
            .map(|host| host.as_str().to_owned());
        self.findings.add(Finding {
            name: Some(name),
            pfile: Some(item.want.pfile),
            tree,
            host: root.map_or(written_to, |root| root.host.clone()),
            path: item.path,
            bytes: name.size(),
            recovery,
            uploads,
            ..Finding::new(item.kind, item.detail)
        });
        Ok(())
    }

    /// A blob that is missing where it has to be may lie in a folder of other names.
    fn claim_strays(&mut self, item: &mut Pending) {
        let Some(strays) = self.strays.get_mut(&item.want.name) else {
            return;
        };
        let usable =
            |found: &Found| item.trees.contains(found.tree) && found.size == found.name.size();
        if let Some(at) = strays.iter().position(usable) {
            let found = strays.swap_remove(at);
            item.kind = super::merge::misplaced(&found);
            item.trees = TreeSet::of(found.tree);
            item.root = Some(found.root);
            item.detail = misplaced(true).into();
            item.path = Some(self.path(&found));
        }
    }

    fn explain_strays(&mut self) -> Result<()> {
        let strays = std::mem::take(&mut self.strays);
        let names: Vec<PfileName> = strays.keys().copied().collect();
        for names in names.chunks(BATCH) {
            let needed = catalogue::needed_now(self.client, names)?;
            let needed: HashMap<PfileName, (u32, TreeSet)> = needed
                .into_iter()
                .map(|(name, pfile, trees)| (name, (pfile, trees)))
                .collect();
            for found in names.iter().filter_map(|name| strays.get(name)).flatten() {
                match needed.get(&found.name) {
                    Some((pfile, _)) => {
                        let kind = super::merge::misplaced(found);
                        let finding = self.of_file(kind, found, misplaced(false).into());
                        self.findings.add(Finding {
                            pfile: Some(*pfile),
                            ..finding
                        });
                    }
                    None => self.unneeded(found.clone()),
                }
            }
        }
        Ok(())
    }

    /// A row may have come since the moment that the check saw.
    fn explain_orphans(&mut self) -> Result<()> {
        let orphans = std::mem::take(&mut self.orphans);
        for some in orphans.chunks(BATCH) {
            let names: Vec<PfileName> = some.iter().map(|found| found.name).collect();
            let needed = catalogue::needed_now(self.client, &names)?;
            let needed: HashMap<PfileName, TreeSet> = needed
                .into_iter()
                .map(|(name, _, trees)| (name, trees))
                .collect();
            for found in some {
                match needed.get(&found.name) {
                    Some(trees) if trees.contains(found.tree) => self.on_its_way(found),
                    _ => self.orphan(found),
                }
            }
        }
        Ok(())
    }

    /// Whether an upload's own file is there; unpacking it may give what lies in it, not itself.
    fn has_gold(&mut self, upload: i32, blob: &PfileName) -> bool {
        let (roots, bad_gold) = (self.roots, &self.bad_gold);
        self.uploads.has_gold(upload, blob, |gold| {
            !bad_gold.contains(gold) && roots.has_whole(Tree::Gold, gold)
        })
    }

    /// Whether something is left of what was unpacked from an upload whose own file this is.
    fn has_files(&mut self, uses: &[Use]) -> Result<bool> {
        for one in uses.iter().filter(|one| one.is_gold) {
            let files = catalogue::some_files(self.client, one.upload, SAMPLE)?;
            if files
                .iter()
                .any(|name| self.roots.has_whole(Tree::Files, name))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn path(&self, found: &Found) -> String {
        use std::os::unix::ffi::OsStrExt;
        match &found.path {
            Some(path) => self.roots.shown(found.root, path.as_os_str().as_bytes()),
            None => {
                let folders = found.name.folders(self.roots.layout().depth());
                self.roots
                    .shown(found.root, format!("{folders}{}", found.name).as_bytes())
            }
        }
    }

    fn of_file(&self, kind: Kind, found: &Found, detail: String) -> Finding {
        Finding {
            name: Some(found.name),
            tree: Some(found.tree),
            host: self.roots.list[usize::from(found.root)].host.clone(),
            path: Some(self.path(found)),
            bytes: found.size,
            ..Finding::new(kind, detail)
        }
    }
}

fn misplaced(only: bool) -> &'static str {
    if only {
        "FOSSology does not look for it there, and has no other"
    } else {
        "FOSSology does not look for it there; it has another"
    }
}
