-- SPDX-FileCopyrightText: 2026 The fossology-backup authors
-- SPDX-License-Identifier: MIT OR Apache-2.0

-- Our own tables in FOSSology's database, version 8: encrypted vaults. Idempotent.

-- What this instance knows of a vault: for whom it encrypts (one public key a line), so that nobody
-- who can only write to the vault can add himself, and the private key that opens the vault's
-- indexes and snapshots: names of files, which are in this database anyway. It opens no file and
-- no dump.
CREATE TABLE IF NOT EXISTS backup_vault_key (
    vault uuid PRIMARY KEY,
    list_key text NOT NULL,
    recipients text NOT NULL,
    changed timestamptz NOT NULL DEFAULT now()
);
