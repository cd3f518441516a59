// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is no damage: objects that no snapshot names, and files that are none of ours.

use super::inventory::Inventory;
use super::report::{Note, Report};
use crate::operations::Result;
use crate::vault::{Object, ObjectKind, Vault};

/// How many objects a note names.
const NAMED: usize = 20;

/// Adds the notes to the report.
pub(super) fn look(vault: &Vault, inventory: &Inventory, report: &mut Report) -> Result<()> {
    let mut packs =
        note("packs that no readable snapshot names; the next backup uses what it needs of them");
    let mut chunks = note("chunks that no readable snapshot names");
    let mut indexes = note("indexes without their pack");
    let mut foreign = note("files that are no part of a vault");
    for object in &inventory.objects {
        match object.key.kind() {
            ObjectKind::Pack(id) if !inventory.packs.contains_key(&id) => add(&mut packs, object),
            ObjectKind::Chunk(id) if !inventory.chunks.contains(&id) => add(&mut chunks, object),
            // An index of a pack that a snapshot names and that is missing is no left-over: it
            // tells which blobs are hit.
            ObjectKind::Index(id)
                if !inventory.packs.contains_key(&id) && inventory.size(&id.key()).is_none() =>
            {
                add(&mut indexes, object);
            }
            ObjectKind::Foreign => add(&mut foreign, object),
            _ => {}
        }
    }
    let mut unfinished = note(
        "unfinished objects of runs that live or were killed; the next backup removes those of the dead",
    );
    unfinished.count = vault.storage().unfinished()?;
    let mut instructions = note("RESTORE.md is not the text that this version writes");
    match vault.has_own_instructions() {
        Ok(true) => {}
        Ok(false) => instructions.count = 1,
        Err(error) => {
            instructions.what = error.to_string();
            instructions.count = 1;
        }
    }
    let all = [packs, chunks, indexes, foreign, unfinished, instructions];
    report
        .notes
        .extend(all.into_iter().filter(|note| note.count > 0));
    Ok(())
}

fn note(what: &str) -> Note {
    Note {
        what: what.to_owned(),
        count: 0,
        bytes: 0,
        objects: Vec::new(),
    }
}

fn add(note: &mut Note, object: &Object) {
    note.count += 1;
    note.bytes += object.size;
    if note.objects.len() < NAMED {
        note.objects.push(object.key.to_string());
    }
}
