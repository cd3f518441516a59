// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A snapshot's file ends with its own digest: its id cannot be one, since the file names it. The
//! last field, on a line of its own, is the SHA-256 of all lines before it, so that
//! `head -n -2 FILE | sha256sum` proves a snapshot too.

use sha2::{Digest, Sha256};

/// What pretty JSON of an object ends with, and what stands there instead before the digest.
const END: &[u8] = b"\n}\n";
const MORE: &[u8] = b",\n";

/// Adds the digest to pretty JSON of an object that has fields.
pub(super) fn seal(mut json: Vec<u8>) -> Vec<u8> {
    json.truncate(json.len() - END.len());
    json.extend_from_slice(MORE);
    let last = last_lines(&json);
    json.extend_from_slice(&last);
    json
}

/// Whether a file is what was sealed, to the last byte.
pub(super) fn is_whole(file: &[u8]) -> bool {
    let Some(at) = file.len().checked_sub(last_lines(b"").len()) else {
        return false;
    };
    let (lines, last) = file.split_at(at);
    last == last_lines(lines)
}

fn last_lines(before: &[u8]) -> Vec<u8> {
    format!(
        "  \"sha256\": \"{}\"\n}}\n",
        hex::encode(Sha256::digest(before))
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let value = serde_json::json!({"format": 1, "packs": ["a", "b"]});
        let file = seal(crate::vault::to_json(&value));
        assert!(is_whole(&file));
        let again: serde_json::Value = serde_json::from_slice(&file).unwrap();
        assert_eq!(again["packs"], value["packs"]);
        for at in 0..file.len() {
            assert!(!is_whole(&file[..at]), "cut at {at}");
            for bit in 0..8 {
                let mut flipped = file.clone();
                flipped[at] ^= 1 << bit;
                assert!(!is_whole(&flipped), "bit {bit} of byte {at}");
            }
        }
    }
}
