// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What an instance knows of its encrypted vaults; see sql/008_keys.sql. It lies in the database, so
//! all hosts of an instance know it, and it comes back with the instance. One row a vault, written
//! in one statement.

use crate::fossology::config::Secret;
use crate::fossology::database::{Error, Result};
use postgres::GenericClient;
use uuid::Uuid;

/// What is known of a vault.
#[derive(Clone, Debug)]
pub struct VaultKey {
    /// The private key of its lists; empty where nothing is encrypted.
    pub list_key: Secret,
    /// The public keys for which it is encrypted; none where it was accepted that it is not.
    pub recipients: Vec<String>,
}

/// What is known of a vault, if anything. Our tables may be missing.
///
/// # Errors
/// When a statement fails.
pub fn vault_key(client: &mut impl GenericClient, vault: Uuid) -> Result<Option<VaultKey>> {
    let failed = Error::sql("looking for the key of the vault's lists");
    let there = client
        .query_one("SELECT to_regclass('backup_vault_key') IS NOT NULL", &[])
        .map_err(&failed)?;
    if !there.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client
        .query_opt(
            "SELECT list_key, recipients FROM backup_vault_key WHERE vault = $1",
            &[&vault],
        )
        .map_err(&failed)?;
    Ok(row.map(|row| {
        let recipients: String = row.get(1);
        VaultKey {
            list_key: Secret::new(row.get::<_, String>(0)),
            recipients: recipients.lines().map(str::to_owned).collect(),
        }
    }))
}

/// Whether the instance has any vault that is encrypted. Our tables may be missing.
///
/// # Errors
/// When a statement fails.
pub fn knows_encrypted_vault(client: &mut impl GenericClient) -> Result<bool> {
    let failed = Error::sql("looking for encrypted vaults");
    let there = client
        .query_one("SELECT to_regclass('backup_vault_key') IS NOT NULL", &[])
        .map_err(&failed)?;
    if !there.get::<_, bool>(0) {
        return Ok(false);
    }
    let row = client
        .query_one(
            "SELECT EXISTS (SELECT FROM backup_vault_key WHERE recipients <> '')",
            &[],
        )
        .map_err(&failed)?;
    Ok(row.get(0))
}

/// Keeps what is known of a vault, instead of what was known.
///
/// # Errors
/// When the statement fails.
pub fn keep_vault_key(client: &mut impl GenericClient, vault: Uuid, key: &VaultKey) -> Result<()> {
    let recipients = key.recipients.join("\n");
    client
        .execute(
            "INSERT INTO backup_vault_key (vault, list_key, recipients) VALUES ($1, $2, $3)
             ON CONFLICT (vault) DO UPDATE
                SET list_key = excluded.list_key, recipients = excluded.recipients, changed = now()",
            &[&vault, &key.list_key.expose(), &recipients],
        )
        .map(drop)
        .map_err(Error::sql("keeping the key of the vault's lists"))
}
