// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the database says about blobs: which ones must exist, in which tree, under which key.
//!
//! Everything is asked within one transaction that sees one moment ([`Moment`]); the same moment
//! can be exported for pg_dump. Large answers come by binary COPY: the server sends them as a
//! stream, nothing is held on either side, and it is several times faster than a cursor.

mod moment;
mod needs;
mod nodes;
mod origins;
mod pruning;
mod recovery;
mod rows;
mod sizes;
#[cfg(test)]
mod tests;
mod uploads;

pub use moment::{Moment, Needed, blobs, still_needed};
pub use needs::{UploadNeed, uploads_that_need};
pub use nodes::{DumpedUpload, Node, dumped_nodes, dumped_pfiles, dumped_uploads, is_tree_table};
pub use origins::{Origin, origins};
pub use pruning::{
    Columns, PrunedUpload, TreeRow, busy_uploads, doomed_uploads, hold_queue, keys_by_any_row,
    other_uploads,
};
pub use recovery::{
    Candidate, Extent, Share, candidates, containers, extent, nearest_containers, paths, shares,
    unpack_arguments,
};
pub use sizes::{Sizes, sizes};
pub use uploads::{UploadRow, Use, in_flight, needed_now, some_files, states, uploads, uses};
