// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What several hosts hand over that do one thing together, each its share: beside the result it says
//! by which rules it was made. Whoever puts the shares together refuses what another version made, or
//! a host that has another idea of where blobs lie, or another vault, or that was made for another
//! request.

use super::{Error, Result};
use crate::fossology::repository::Layout;
use crate::vault::Vault;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// By which rules a share was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The version of the program.
    program: String,
    /// What decides where a blob lies.
    places: Vec<String>,
    /// The vault that it works with, if it is a matter of the result.
    vault: Option<Uuid>,
    /// The request that it belongs to.
    request: i32,
}

#[derive(Serialize)]
struct Written<'a, T> {
    rules: &'a Rules,
    share: &'a T,
}

#[derive(Deserialize)]
struct Head {
    rules: Rules,
}

#[derive(Deserialize)]
struct Body<T> {
    share: T,
}

impl Rules {
    /// Those of this host.
    pub fn here(layout: &Layout, vault: Option<&Vault>, request: i32) -> Self {
        Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            places: layout.rules(),
            vault: vault.map(Vault::id),
            request,
        }
    }

    /// A share, to be handed over.
    pub fn write(&self, share: &impl Serialize) -> Vec<u8> {
        let written = Written { rules: self, share };
        serde_json::to_vec(&written).expect("plain structs with text keys always serialize")
    }

    /// A share that was handed over by `from`, as people know that part.
    ///
    /// # Errors
    /// [`Error::HostDiffers`] when it was made by other rules, or cannot be read.
    pub fn read<T: DeserializeOwned>(&self, from: &str, data: &[u8]) -> Result<T> {
        let differs = |what: String| Error::HostDiffers { what };
        let unreadable = |error| {
            differs(format!(
                "what '{from}' left cannot be read by fo_backup {} ({error})",
                self.program
            ))
        };
        let Head { rules } = serde_json::from_slice(data).map_err(unreadable)?;
        let has = if rules.program != self.program {
            format!(
                "fo_backup {} instead of {} here",
                rules.program, self.program
            )
        } else if rules.places != self.places {
            "another depth or [REPOSITORY] in fossology.conf than this host".to_owned()
        } else if rules.vault != self.vault {
            match (rules.vault, self.vault) {
                (None, _) => "no vault that it can use, and this host has one".to_owned(),
                (_, None) => "a vault, and this host has none that it can use".to_owned(),
                _ => "another vault than this host".to_owned(),
            }
        } else if rules.request != self.request {
            format!(
                "a result of request {}, which is another one",
                rules.request
            )
        } else {
            let Body { share } = serde_json::from_slice(data).map_err(unreadable)?;
            return Ok(share);
        };
        Err(differs(format!("the host of '{from}' has {has}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules() -> Rules {
        Rules {
            program: "1.0".into(),
            places: vec!["depth 3".into(), "a gold+files 00 ff".into()],
            vault: Some(Uuid::from_u128(7)),
            request: 5,
        }
    }

    #[test]
    fn only_what_was_made_by_the_same_rules_is_taken() {
        let here = rules();
        let share = json!({"blobs": 3});
        let read = |rules: &Rules| here.read::<serde_json::Value>("x on b", &rules.write(&share));
        assert_eq!(read(&here).unwrap(), share);
        let changed = |change: fn(&mut Rules)| {
            let mut rules = rules();
            change(&mut rules);
            read(&rules).unwrap_err().to_string()
        };
        for (error, expected) in [
            (
                changed(|rules| rules.program = "2.0".into()),
                "fo_backup 2.0",
            ),
            (
                changed(|rules| rules.places[0] = "depth 2".into()),
                "another depth or [REPOSITORY]",
            ),
            (
                changed(|rules| rules.vault = Some(Uuid::from_u128(8))),
                "another vault",
            ),
            (changed(|rules| rules.vault = None), "no vault"),
            (changed(|rules| rules.request = 4), "request 4"),
        ] {
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("'x on b'"), "{error}");
        }
    }

    #[test]
    fn what_is_torn_is_no_share() {
        let here = rules();
        let data = here.write(&json!([1, 2, 3]));
        for end in 0..data.len() {
            let error = here.read::<Vec<u8>>("x on b", &data[..end]).unwrap_err();
            assert!(matches!(error, Error::HostDiffers { .. }), "{error}");
        }
        assert_eq!(here.read::<Vec<u8>>("x on b", &data).unwrap(), [1, 2, 3]);
    }
}
