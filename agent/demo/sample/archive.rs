// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Real archives, and what FOSSology's ununpack makes of them.
//!
//! An upload is described as a tree of [`Entry`]s. From its leaves upwards the archives' bytes are
//! built; from its root downwards come the nodes that FOSSology keeps, with the ones it invents:
//! `artifact.dir` around what was in a container, `artifact.meta` with what it learned about one,
//! and the inner tar of a compressed tar.

use std::io::{self, Write};

/// What can be uploaded or be in an archive.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A file with its content.
    File(Vec<u8>),
    /// A folder with its members.
    Folder(Vec<Member>),
    /// An archive that ununpack unpacks.
    Archive(Format, Vec<Member>),
}

/// Something in a folder or an archive. Its name is bytes, as on Unix.
#[derive(Clone, Debug)]
pub struct Member {
    /// The name within the folder.
    pub name: Vec<u8>,
    /// What it is.
    pub entry: Entry,
}

impl Member {
    /// A member of this name.
    pub fn new(name: impl Into<Vec<u8>>, entry: Entry) -> Self {
        let name = name.into();
        Self { name, entry }
    }
}

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A tar.
    Tar,
    /// A tar in gzip: the tar itself becomes a blob too.
    TarGz,
    /// A tar in zstd: the tar itself becomes a blob too, and so does `artifact.meta`.
    TarZst,
    /// A zip, with `artifact.meta`.
    Zip,
}

/// `ufile_mode` of a container and of what ununpack invented.
const CONTAINER: u32 = 1 << 29;
const ARTIFACT: u32 = 1 << 28;
const FOLDER: u32 = 0o40_000 | 0o2000;
const FILE: u32 = 0o100_000;
/// An uploaded file's own mode has the setgid bit of the repository in it.
const ROOT: u32 = FILE | 0o2000;

/// One row of an uploadtree, with its content where it has some.
#[derive(Clone, Debug)]
pub struct Node {
    /// `ufile_name`.
    pub name: Vec<u8>,
    /// `ufile_mode`.
    pub mode: u32,
    /// The content; none for folders, which have no blob.
    pub content: Option<Vec<u8>>,
    /// What is in it, or was unpacked from it.
    pub children: Vec<Node>,
}

impl Node {
    /// Whether ununpack invented it.
    pub fn is_artifact(&self) -> bool {
        self.mode & ARTIFACT != 0
    }

    /// The number of nodes of this tree.
    pub fn count(&self) -> usize {
        1 + self.children.iter().map(Node::count).sum::<usize>()
    }
}

/// What unpacking an upload gives. `place` is ununpack's temporary folder; it gets into the
/// content of each `artifact.meta`, so the same archive gives other ones in another upload.
pub fn unpack(name: &str, entry: Entry, place: &str) -> io::Result<Node> {
    let mut root = node(Member::new(name, entry), 0, place)?;
    root.mode = root.mode & CONTAINER | ROOT;
    Ok(root)
}

/// `permissions` are those that the surrounding archive has for its files.
fn node(member: Member, permissions: u32, place: &str) -> io::Result<Node> {
    let Member { name, entry } = member;
    Ok(match entry {
        Entry::File(content) => Node {
            name,
            mode: FILE | permissions,
            content: Some(content),
            children: Vec::new(),
        },
        Entry::Folder(members) => Node {
            name,
            mode: CONTAINER | FOLDER,
            content: None,
            children: nodes(members, permissions, place)?,
        },
        Entry::Archive(format, members) => {
            let inside = if format == Format::Zip { 0 } else { 0o644 };
            let below = format!("{place}/{}.dir", String::from_utf8_lossy(&name));
            let members = nodes(members, inside, &below)?;
            archive(name, format, members, permissions, place)?
        }
    })
}

fn nodes(members: Vec<Member>, permissions: u32, place: &str) -> io::Result<Vec<Node>> {
    members
        .into_iter()
        .map(|member| node(member, permissions, place))
        .collect()
}

fn archive(
    name: Vec<u8>,
    format: Format,
    members: Vec<Node>,
    permissions: u32,
    place: &str,
) -> io::Result<Node> {
    let text = String::from_utf8_lossy(&name).into_owned();
    let (content, unpacked) = match format {
        Format::Zip => (zip(&members)?, members),
        Format::Tar => (tar(&members)?, members),
        Format::TarGz | Format::TarZst => {
            let tar = tar(&members)?;
            let content = if format == Format::TarGz {
                gzip(&tar)?
            } else {
                zstd::encode_all(tar.as_slice(), 3)?
            };
            let inner = text.strip_suffix(".gz").or(text.strip_suffix(".zst"));
            let inner = inner.unwrap_or(&text).as_bytes().to_owned();
            (
                content,
                vec![container(inner, 0, tar, artifact_dir(members))],
            )
        }
    };
    let mut children = artifact_dir(unpacked);
    if matches!(format, Format::Zip | Format::TarZst) {
        children.push(artifact_meta(&text, content.len(), permissions, place));
    }
    Ok(container(name, permissions, content, children))
}

fn container(name: Vec<u8>, permissions: u32, content: Vec<u8>, children: Vec<Node>) -> Node {
    Node {
        name,
        mode: CONTAINER | FILE | permissions,
        content: Some(content),
        children,
    }
}

fn artifact_dir(children: Vec<Node>) -> Vec<Node> {
    vec![Node {
        name: b"artifact.dir".to_vec(),
        mode: CONTAINER | ARTIFACT | FOLDER,
        content: None,
        children,
    }]
}

fn artifact_meta(name: &str, size: usize, permissions: u32, place: &str) -> Node {
    let content = format!("Archive:  {place}/{name}\nPacked size: {size} bytes\n");
    Node {
        name: b"artifact.meta".to_vec(),
        mode: ARTIFACT | FILE | permissions,
        content: Some(content.into_bytes()),
        children: Vec::new(),
    }
}

/// Every member of an archive with its full path: folders (no content) before what is in them.
fn members<'a>(nodes: &'a [Node], folder: &[u8], out: &mut Vec<(Vec<u8>, Option<&'a [u8]>)>) {
    for node in nodes {
        let mut path = folder.to_vec();
        path.extend_from_slice(&node.name);
        let Some(content) = &node.content else {
            path.push(b'/');
            out.push((path.clone(), None));
            members(&node.children, &path, out);
            continue;
        };
        out.push((path, Some(content)));
    }
}

fn tar(nodes: &[Node]) -> io::Result<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let mut list = Vec::new();
    members(nodes, b"", &mut list);
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in list {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_700_000_000);
        header.set_mode(if content.is_some() { 0o644 } else { 0o755 });
        if content.is_none() {
            header.set_entry_type(tar::EntryType::Directory);
        }
        let content = content.unwrap_or_default();
        header.set_size(content.len() as u64);
        let path = std::ffi::OsStr::from_bytes(&path);
        builder.append_data(&mut header, path, content)?;
    }
    builder.into_inner()
}

fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content)?;
    encoder.finish()
}

/// A zip as small tools write it: deflated members, central directory, no extras.
fn zip(nodes: &[Node]) -> io::Result<Vec<u8>> {
    let mut list = Vec::new();
    members(nodes, b"", &mut list);
    let too_large = || io::Error::other("a sample's zip must stay below 4 GiB and 65,536 members");
    let number = |value: usize| u32::try_from(value).map_err(|_| too_large());
    let count = u16::try_from(list.len()).map_err(|_| too_large())?;
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (path, content) in list {
        let offset = number(out.len())?;
        let content = content.unwrap_or_default();
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content)?;
        let packed = encoder.finish()?;
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let name_length = u16::try_from(path.len()).map_err(|_| too_large())?;

        // What both headers share: version, flags, method, time, date, CRC, sizes, lengths.
        let mut shared = Vec::new();
        for value in [20_u16, 0, 8, 0, (46 << 9) | (3 << 5) | 2] {
            shared.extend(value.to_le_bytes());
        }
        for value in [crc.sum(), number(packed.len())?, number(content.len())?] {
            shared.extend(value.to_le_bytes());
        }
        shared.extend(name_length.to_le_bytes());
        shared.extend([0, 0]);

        out.extend(b"PK\x03\x04");
        out.extend(&shared);
        out.extend(&path);
        out.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&shared);
        directory.extend([0; 10]); // no comment, first disk, no attributes
        directory.extend(offset.to_le_bytes());
        directory.extend(path);
    }
    let start = number(out.len())?;
    let size = number(directory.len())?;
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    Ok(out)
}
