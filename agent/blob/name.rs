// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The name of a pfile: `sha1.md5.size`, lower case in the repository, upper case in the
//! database. Parsed once at the edge; past it a wrong name cannot exist.

use std::fmt;
use std::str::FromStr;

/// What a stored file is called: its two hashes and its size in bytes.
///
/// The order is that of the name's text (sha1, then md5), which is also the order of a sorted
/// walk through the repository; streams from both sides can therefore be merged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PfileName {
    sha1: [u8; 20],
    md5: [u8; 16],
    size: u64,
}

/// Why a text is not the name of a pfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PfileNameError {
    /// The text has not the form `sha1.md5.size`.
    #[error("not of the form sha1.md5.size")]
    Form,
    /// A hash has a character that is no hexadecimal digit of the expected case.
    #[error("a hash with something other than hexadecimal digits")]
    Digit,
    /// The size is no number, has leading zeros, or is larger than a file can be.
    #[error("a size that is not a plain decimal number")]
    Size,
}

impl PfileName {
    /// The length of the name without its size: 40 + 1 + 32 + 1 characters.
    const PREFIX: usize = 74;

    /// A name from hashes and a size that are known already.
    pub fn new(sha1: [u8; 20], md5: [u8; 16], size: u64) -> Self {
        Self { sha1, md5, size }
    }

    /// A name from the three columns of table `pfile`, where the hashes stand in upper case.
    ///
    /// # Errors
    /// When a hash has another length or case, or the size is negative.
    pub fn from_database(sha1: &[u8], md5: &[u8], size: i64) -> Result<Self, PfileNameError> {
        let size = u64::try_from(size).map_err(|_| PfileNameError::Size)?;
        Ok(Self {
            sha1: decode(sha1, b'A')?,
            md5: decode(md5, b'A')?,
            size,
        })
    }

    /// The SHA-1 of the content.
    pub fn sha1(&self) -> &[u8; 20] {
        &self.sha1
    }

    /// The MD5 of the content.
    pub fn md5(&self) -> &[u8; 16] {
        &self.md5
    }

    /// The size of the content in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The SHA-1 as table `pfile` has it: 40 hexadecimal digits in upper case.
    pub fn sha1_column(&self) -> String {
        hex::encode_upper(self.sha1)
    }

    /// The MD5 as table `pfile` has it: 32 hexadecimal digits in upper case.
    pub fn md5_column(&self) -> String {
        hex::encode_upper(self.md5)
    }

    /// The folders below `<host>/<type>`: `depth` pairs of the name's first characters, each
    /// followed by a slash (`aa/bb/cc/` at FOSSology's usual depth of 3).
    pub fn folders(&self, depth: u8) -> String {
        let hex = hex::encode(self.sha1);
        let mut path = String::with_capacity(usize::from(depth) * 3);
        for level in 0..usize::from(depth).min(20) {
            path.push_str(&hex[level * 2..level * 2 + 2]);
            path.push('/');
        }
        path
    }
}

fn decode<const N: usize>(text: &[u8], a: u8) -> Result<[u8; N], PfileNameError> {
    if text.len() != N * 2 {
        return Err(PfileNameError::Form);
    }
    let digit = |c: u8| match c {
        b'0'..=b'9' => Ok(c - b'0'),
        c if (a..a + 6).contains(&c) => Ok(c - a + 10),
        _ => Err(PfileNameError::Digit),
    };
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(out)
}

impl FromStr for PfileName {
    type Err = PfileNameError;

    /// Reads the name as it stands in the repository: lower case, no leading zeros in the size.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        if bytes.len() <= Self::PREFIX || bytes[40] != b'.' || bytes[73] != b'.' {
            return Err(PfileNameError::Form);
        }
        let digits = &bytes[Self::PREFIX..];
        if !digits.iter().all(u8::is_ascii_digit) || (digits[0] == b'0' && digits.len() > 1) {
            return Err(PfileNameError::Size);
        }
        let size = text[Self::PREFIX..]
            .parse::<i64>()
            .map_err(|_| PfileNameError::Size)?;
        Ok(Self {
            sha1: decode(&bytes[..40], b'a')?,
            md5: decode(&bytes[41..73], b'a')?,
            size: size.unsigned_abs(),
        })
    }
}

impl fmt::Display for PfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hashes = [b'.'; Self::PREFIX];
        // The slices have exactly twice the length of the hashes, so encoding cannot fail.
        hex::encode_to_slice(self.sha1, &mut hashes[..40]).map_err(|_| fmt::Error)?;
        hex::encode_to_slice(self.md5, &mut hashes[41..73]).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&hashes).map_err(|_| fmt::Error)?)?;
        write!(f, "{}", self.size)
    }
}

impl fmt::Debug for PfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl serde::Serialize for PfileName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PfileName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY: &str =
        "da39a3ee5e6b4b0d3255bfef95601890afd80709.d41d8cd98f00b204e9800998ecf8427e.0";

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, why) in [
            ("", PfileNameError::Form),
            ("da39a3ee", PfileNameError::Form),
            (&EMPTY[..75 - 1], PfileNameError::Form),
            (&format!("{EMPTY}.I"), PfileNameError::Size),
            (&format!("{EMPTY}0"), PfileNameError::Size),
            (&EMPTY.replace('a', "A"), PfileNameError::Digit),
            (&EMPTY.replace("d4", "é"), PfileNameError::Digit),
            (
                &EMPTY.replace(".0", ".99999999999999999999"),
                PfileNameError::Size,
            ),
        ] {
            assert_eq!(text.parse::<PfileName>(), Err(why), "{text}");
        }
    }

    #[test]
    fn database_columns_are_upper_case() {
        let name: PfileName = EMPTY.parse().unwrap();
        let again = PfileName::from_database(
            name.sha1_column().as_bytes(),
            name.md5_column().as_bytes(),
            0,
        );
        assert_eq!(again, Ok(name));
        let lower = PfileName::from_database(&EMPTY.as_bytes()[..40], &EMPTY.as_bytes()[41..73], 0);
        assert_eq!(lower, Err(PfileNameError::Digit));
    }

    #[test]
    fn folders_follow_the_depth() {
        let name: PfileName = EMPTY.parse().unwrap();
        assert_eq!(name.folders(0), "");
        assert_eq!(name.folders(3), "da/39/a3/");
    }

    proptest! {
        #[test]
        fn text_and_name_are_the_same_thing(sha1: [u8; 20], md5: [u8; 16], size in 0..=i64::MAX as u64) {
            let name = PfileName::new(sha1, md5, size);
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }

        #[test]
        fn order_is_that_of_the_text(a: [u8; 20], b: [u8; 20], md5: [u8; 16]) {
            let (a, b) = (PfileName::new(a, md5, 1), PfileName::new(b, md5, 1));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<PfileName>();
        }
    }
}
