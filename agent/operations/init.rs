// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Making a vault for an instance, or giving an instance back to its vault.

use super::keys::{expect_own, known};
use super::{Error, Instance, Result};
use crate::fossology::own;
use crate::vault::{Location, Recipients, Vault};

/// Makes a vault for this instance, encrypted when there are recipients. A vault of the instance that
/// is there already stays as it is.
///
/// # Errors
/// When something else lies at the location, or a vault of another instance.
pub fn run(instance: &Instance, location: &Location, recipients: &Recipients) -> Result<Vault> {
    let mut client = instance.connect("init")?;
    own::ensure_schema(&mut client)?;
    instance.expect_outside(location.as_folder())?;
    let id = own::instance_id(&mut client)?;
    let vault = Vault::init(location, id, recipients, |vault, key| {
        own::keep_vault_key(&mut client, vault, &known(key, recipients)).map_err(Error::from)
    })?;
    if !recipients.is_empty() {
        expect_own(&mut client, &vault)?;
    }
    Ok(vault)
}

/// Makes this database the instance that a vault belongs to: for a database that was brought back
/// by other means, from before fo_backup knew it.
///
/// # Errors
/// When there is no vault.
pub fn adopt(instance: &Instance, location: &Location) -> Result<Vault> {
    let vault = Vault::open(location)?;
    let mut client = instance.connect("init")?;
    own::ensure_schema(&mut client)?;
    own::adopt_instance(&mut client, vault.instance())?;
    Ok(vault)
}
