// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The tar members of a pack: plain ustar, so that any tar brings a pack back. The header's last
//! bytes, which ustar leaves unused, carry the pfile's key, so that a lost index can be rebuilt
//! from its pack alone.

use std::io;
use tar::{EntryType, Header};

/// Where in a header the pfile's key stands: 8 hexadecimal digits.
const KEY: std::ops::Range<usize> = 500..508;

/// The size of a tar block in bytes.
pub(super) const BLOCK: usize = 512;

/// How many bytes of zeros follow content of this size, up to the next block.
pub(super) fn padding(size: u64) -> usize {
    (BLOCK as u64 - size % BLOCK as u64) as usize % BLOCK
}

/// Appends the header of a blob's member; its content and [`padding`] have to follow.
///
/// # Errors
/// When the path cannot be a tar member's (empty, absolute, `..`).
pub(super) fn file_header(out: &mut Vec<u8>, path: &str, size: u64, pfile: u32) -> io::Result<()> {
    header(out, EntryType::Regular, path, None, size, pfile)
}

/// Appends a hard link to a member that stands before it.
///
/// # Errors
/// As [`file_header`].
pub(super) fn link_header(out: &mut Vec<u8>, path: &str, target: &str) -> io::Result<()> {
    header(out, EntryType::Link, path, Some(target), 0, 0)
}

fn header(
    out: &mut Vec<u8>,
    kind: EntryType,
    path: &str,
    link: Option<&str>,
    size: u64,
    pfile: u32,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o660);
    header.set_uid(0);
    header.set_gid(0);
    // A blob never changes and FOSSology touches what it reads: its time means nothing.
    header.set_mtime(0);
    let mut records = Vec::new();
    if header.set_path(path).is_err() {
        records.extend(pax_record("path", path));
        header.set_path(tail(path))?;
    }
    if let Some(link) = link
        && header.set_link_name(link).is_err()
    {
        records.extend(pax_record("linkpath", link));
        header.set_link_name(tail(link))?;
    }
    if !records.is_empty() {
        extended(out, &records)?;
    }
    header.as_mut_bytes()[KEY].copy_from_slice(format!("{pfile:08x}").as_bytes());
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    Ok(())
}

/// A pax header with records for the member that follows: for hosts with very long names.
fn extended(out: &mut Vec<u8>, records: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    header.set_size(records.len() as u64);
    header.set_mode(0o660);
    header.set_path("pax")?;
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(records);
    out.resize(out.len() + padding(records.len() as u64), 0);
    Ok(())
}

/// A pax record: its own length, a blank, `key=value`, a line feed.
fn pax_record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while rest + len.to_string().len() > len {
        len += 1;
    }
    format!("{len} {key}={value}\n").into_bytes()
}

/// The last 99 bytes or fewer of a path: what programs that don't know pax headers see.
fn tail(path: &str) -> &str {
    path.rsplit('/')
        .next()
        .filter(|name| name.len() < 100)
        .unwrap_or("long-name")
}

/// The key of the pfile that a header carries, if it carries one.
pub(super) fn pfile(header: &Header) -> Option<u32> {
    let text = std::str::from_utf8(&header.as_bytes()[KEY]).ok()?;
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn long_hosts_survive() {
        let host = "mnt/".repeat(80) + "storage";
        let path = format!("{host}/gold/aa/bb/cc/name");
        let mut out = Vec::new();
        file_header(&mut out, &path, 3, 77).unwrap();
        out.extend_from_slice(b"abc");
        out.resize(out.len() + padding(3), 0);
        link_header(&mut out, &format!("{host}/files/aa/bb/cc/name"), &path).unwrap();
        out.resize(out.len() + 2 * BLOCK, 0);

        let mut archive = tar::Archive::new(&out[..]);
        let mut entries = archive.entries().unwrap();
        let mut first = entries.next().unwrap().unwrap();
        assert_eq!(first.path().unwrap().to_str(), Some(&path[..]));
        assert_eq!(pfile(first.header()), Some(77));
        let mut text = String::new();
        first.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
        let second = entries.next().unwrap().unwrap();
        assert_eq!(
            second.link_name().unwrap().unwrap().to_str(),
            Some(&path[..])
        );
        assert!(entries.next().is_none());
    }

    #[test]
    fn the_length_in_a_pax_record_counts_itself() {
        for len in [1, 80, 90, 91, 92, 93, 990, 991, 9990] {
            let record = pax_record("path", &"x".repeat(len));
            let text = String::from_utf8(record.clone()).unwrap();
            let stated: usize = text.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(stated, record.len());
        }
    }
}
