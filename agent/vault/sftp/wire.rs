// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Packets of SFTP, version 3 (draft-ietf-secsh-filexfer-02), which is what OpenSSH and nearly
//! everybody speaks: the dozen requests that a vault needs, and the answers to them.

use std::io::{self, Read};

/// More than any answer to what is asked here.
const MOST: usize = 1 << 20;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ask {
    Init = 1,
    Open = 3,
    Close = 4,
    Read = 5,
    Write = 6,
    FStat = 8,
    OpenDir = 11,
    ReadDir = 12,
    Remove = 13,
    MakeDir = 14,
    Stat = 17,
    Rename = 18,
    Extended = 200,
}

/// To open for reading.
pub const READ: u32 = 1;
/// To open a new file for writing, and never one that is there.
pub const CREATE: u32 = 0x02 | 0x08 | 0x20;

const HAS_SIZE: u32 = 1;
const HAS_OWNER: u32 = 2;
const HAS_MODE: u32 = 4;
const HAS_TIMES: u32 = 8;
const HAS_MORE: u32 = 0x8000_0000;

/// Why a server refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub code: u32,
    pub message: String,
}

impl Status {
    pub const OK: u32 = 0;
    pub const END: u32 = 1;
    pub const NO_SUCH_FILE: u32 = 2;
    pub const DENIED: u32 = 3;
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub size: Option<u64>,
    pub mode: Option<u32>,
    pub modified: Option<u32>,
}

impl Attributes {
    pub fn is_folder(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o170_000 == 0o040_000)
    }

    pub fn is_file(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o170_000 == 0o100_000)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The names of the server's extensions.
    Version(Vec<String>),
    Status(Status),
    Handle(Vec<u8>),
    Data(Vec<u8>),
    Names(Vec<(Vec<u8>, Attributes)>),
    Attributes(Attributes),
}

/// A packet in the making.
pub struct Packet(Vec<u8>);

impl Packet {
    /// A request with its number.
    pub fn new(ask: Ask, id: u32) -> Self {
        let mut packet = Self(vec![0, 0, 0, 0, ask as u8]);
        packet.0.extend_from_slice(&id.to_be_bytes());
        packet
    }

    /// The first packet of all.
    pub fn init() -> Self {
        Self::new(Ask::Init, 3)
    }

    pub fn number(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub fn long(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub fn text(mut self, text: &[u8]) -> Self {
        self.0.extend_from_slice(&(text.len() as u32).to_be_bytes());
        self.0.extend_from_slice(text);
        self
    }

    /// Attributes of what is made: its mode alone.
    pub fn mode(self, mode: u32) -> Self {
        self.number(HAS_MODE).number(mode)
    }

    /// The packet as it is sent.
    pub fn bytes(mut self) -> Vec<u8> {
        let len = (self.0.len() - 4) as u32;
        self.0[..4].copy_from_slice(&len.to_be_bytes());
        self.0
    }
}

/// Reads an answer and the number of its request.
pub fn read(from: &mut impl Read) -> io::Result<(u32, Answer)> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let len = u32::from_be_bytes(len) as usize;
    if !(5..=MOST).contains(&len) {
        return Err(invalid(
            "the server's answer is none of SFTP (does its login print something?)",
        ));
    }
    let mut body = vec![0; len];
    from.read_exact(&mut body)?;
    parse(&body).ok_or_else(|| invalid("the server's answer cannot be understood"))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn parse(body: &[u8]) -> Option<(u32, Answer)> {
    let mut fields = Fields(body);
    let kind = fields.byte()?;
    let id = fields.number()?;
    let answer = match kind {
        2 => {
            let mut extensions = Vec::new();
            while !fields.0.is_empty() {
                let name = fields.text()?;
                fields.text()?;
                extensions.push(String::from_utf8_lossy(name).into_owned());
            }
            return (id == 3).then_some((0, Answer::Version(extensions)));
        }
        101 => Answer::Status(Status {
            code: fields.number()?,
            // Old servers leave it out.
            message: String::from_utf8_lossy(fields.text().unwrap_or_default()).into_owned(),
        }),
        102 => Answer::Handle(fields.text()?.to_vec()),
        103 => Answer::Data(fields.text()?.to_vec()),
        104 => {
            let count = fields.number()?;
            let mut names = Vec::new();
            for _ in 0..count {
                let name = fields.text()?.to_vec();
                fields.text()?;
                names.push((name, fields.attributes()?));
            }
            Answer::Names(names)
        }
        105 => Answer::Attributes(fields.attributes()?),
        _ => return None,
    };
    Some((id, answer))
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.number()?;
        self.take(len as usize)
    }

    fn attributes(&mut self) -> Option<Attributes> {
        let flags = self.number()?;
        let mut found = Attributes::default();
        if flags & HAS_SIZE != 0 {
            found.size = Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?));
        }
        if flags & HAS_OWNER != 0 {
            self.take(8)?;
        }
        if flags & HAS_MODE != 0 {
            found.mode = Some(self.number()?);
        }
        if flags & HAS_TIMES != 0 {
            self.number()?;
            found.modified = Some(self.number()?);
        }
        if flags & HAS_MORE != 0 {
            for _ in 0..self.number()? {
                self.text()?;
                self.text()?;
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets_look_as_the_draft_says() {
        assert_eq!(Packet::init().bytes(), [0, 0, 0, 5, 1, 0, 0, 0, 3]);
        let packet = Packet::new(Ask::Open, 7).text(b"a").number(READ).number(0);
        assert_eq!(
            packet.bytes(),
            [
                0, 0, 0, 18, 3, 0, 0, 0, 7, 0, 0, 0, 1, b'a', 0, 0, 0, 1, 0, 0, 0, 0
            ]
        );
    }

    #[test]
    fn answers_are_understood() {
        let mut folder = Packet::new(Ask::Init, 9).number(1).text(b"n").text(b"long");
        folder = folder.number(HAS_SIZE | HAS_MODE | HAS_TIMES).long(5);
        let mut bytes = folder.number(0o100_644).number(1).number(2).bytes();
        bytes[4] = 104;
        let (id, answer) = read(&mut bytes.as_slice()).unwrap();
        assert_eq!(id, 9);
        let Answer::Names(names) = answer else {
            panic!("{answer:?}")
        };
        let (name, attributes) = &names[0];
        assert_eq!(name, b"n");
        assert!(attributes.is_file() && !attributes.is_folder());
        assert_eq!((attributes.size, attributes.modified), (Some(5), Some(2)));
    }

    #[test]
    fn a_greeting_in_place_of_an_answer_is_told() {
        let error = read(&mut &b"Welcome to this host!"[..]).unwrap_err();
        assert!(error.to_string().contains("login"), "{error}");
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(body in proptest::collection::vec(any::<u8>(), 0..200), kind in 100u8..106) {
            let mut body = body;
            if let Some(first) = body.first_mut() {
                *first = kind;
            }
            let _ = parse(&body);
        }
    }
}
