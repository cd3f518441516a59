// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A share of the blobs, for drills of large instances. Which blobs are in it follows from their
//! hashes and the snapshot: the same drill again takes the same, the next snapshot's takes others.

use crate::blob::PfileName;
use crate::vault::SnapshotId;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::str::FromStr;

/// A percentage above 0, up to 100.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
pub struct Percent(f64);

impl Percent {
    /// A percentage.
    ///
    /// # Errors
    /// With what is expected.
    pub fn new(number: f64) -> Result<Self, String> {
        if number > 0.0 && number <= 100.0 {
            Ok(Self(number))
        } else {
            Err(format!(
                "{number} is no percentage above 0, up to 100, such as 1%"
            ))
        }
    }

    /// The number.
    pub fn number(self) -> f64 {
        self.0
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        let number = number.parse().ok();
        let wrong = || format!("'{text}' is no percentage above 0, up to 100, such as 1%");
        number
            .and_then(|number| Self::new(number).ok())
            .ok_or_else(wrong)
    }
}

struct Words;

impl Visitor<'_> for Words {
    type Value = Percent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a percentage such as \"1%\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Percent, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Percent, E> {
        Percent::new(number).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Percent, E> {
        Percent::new(number as f64).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Percent, E> {
        Percent::new(number as f64).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words)
    }
}

/// Which blobs are in the share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// Where the hashes begin that are in it.
    from: u32,
    /// How many of the 2^32 beginnings of a hash are in it.
    width: u64,
}

impl Share {
    /// The share of a snapshot.
    pub fn new(percent: Percent, snapshot: &SnapshotId) -> Self {
        let whole = 1_u64 << 32;
        let width = (percent.number() / 100.0 * whole as f64) as u64;
        Self {
            from: u32::from_str_radix(snapshot.short(), 16).unwrap_or(0),
            width: width.clamp(1, whole),
        }
    }

    /// Whether a blob is in it.
    pub fn has(&self, name: &PfileName) -> bool {
        let mut beginning = [0; 4];
        beginning.copy_from_slice(&name.sha1()[..4]);
        u64::from(u32::from_be_bytes(beginning).wrapping_sub(self.from)) < self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(beginning: u32) -> PfileName {
        let text = format!("{beginning:08x}{}.{}.1", "0".repeat(32), "0".repeat(32));
        text.parse().unwrap()
    }

    fn share(percent: f64, id: &str) -> Share {
        let snapshot = format!("20261124T020000Z-{id}").parse().unwrap();
        Share::new(Percent::new(percent).unwrap(), &snapshot)
    }

    #[test]
    fn a_percentage_is_written_with_or_without_its_sign() {
        for (text, number) in [("1%", 1.0), ("0.5", 0.5), ("100 %", 100.0)] {
            assert_eq!(text.parse::<Percent>().unwrap().number(), number);
        }
        for text in ["", "%", "0", "-1%", "101%", "all", "NaN", "1%%"] {
            let error = text.parse::<Percent>().unwrap_err();
            assert!(error.contains("such as 1%"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_share_is_as_large_as_it_is_called(percent in 1.0..100.0_f64, id in "[0-9a-f]{8}") {
            let share = share(percent, &id);
            let all = 10_000_u32;
            let inside = (0..all).filter(|at| share.has(&name(at * (u32::MAX / all)))).count();
            prop_assert!((inside as f64 / f64::from(all) * 100.0 - percent).abs() < 0.1);
        }

        #[test]
        fn everything_is_in_the_whole(beginning in any::<u32>(), id in "[0-9a-f]{8}") {
            prop_assert!(share(100.0, &id).has(&name(beginning)));
        }

        #[test]
        fn every_blob_is_in_the_share_of_some_snapshot(beginning in any::<u32>()) {
            let id = format!("{beginning:08x}");
            prop_assert!(share(0.000_001, &id).has(&name(beginning)));
        }
    }
}
