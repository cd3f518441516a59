-- SPDX-FileCopyrightText: 2026 The fossology-backup authors
-- SPDX-License-Identifier: MIT OR Apache-2.0

-- Our own tables in FOSSology's database, version 4: pruning. Idempotent. Lists of blobs are
-- bitmaps of pfile_pk (Roaring's portable form): a row for each of millions would take longer than
-- the removal itself.

-- By what a pruned blob was proven to come back: unpacking its gold, a snapshot of the vault, or
-- both. Backups of gold carry what only the vault has.
ALTER TABLE backup_blob_state
    ADD COLUMN IF NOT EXISTS proof text CHECK (proof IN ('gold', 'vault', 'both'));

-- What a rehearsal of recovery got out of an uploaded file (`gold`, a pfile_pk), when, how long it
-- took, and whether FOSSology's own unpacker was there to be tried.
CREATE TABLE IF NOT EXISTS backup_proof (
    gold integer PRIMARY KEY REFERENCES pfile ON DELETE CASCADE,
    upload integer NOT NULL,
    proven timestamptz NOT NULL DEFAULT clock_timestamp(),
    seconds double precision NOT NULL,
    with_unpacker boolean NOT NULL,
    blobs bytea NOT NULL
);

-- Packs of the vault that were read and found whole, and when.
CREATE TABLE IF NOT EXISTS backup_verified_pack (
    pack bytea PRIMARY KEY,
    verified timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Blobs that are entered as pruned and whose files are being removed. A row that is there when
-- nobody prunes is of a run that died: some of its files may still be there.
CREATE TABLE IF NOT EXISTS backup_prune_batch (
    id bigserial PRIMARY KEY,
    begun timestamptz NOT NULL DEFAULT clock_timestamp(),
    blobs bytea NOT NULL
);

-- What the last plan says of each upload, for FOSSology's pages; `run` is its row of the history.
-- What several uploads share counts for each.
CREATE TABLE IF NOT EXISTS backup_prune_upload (
    upload_fk integer PRIMARY KEY REFERENCES upload ON DELETE CASCADE,
    run integer,
    held text,
    blobs bigint NOT NULL,
    bytes bigint NOT NULL,
    own_blobs bigint NOT NULL,
    own_bytes bigint NOT NULL,
    pruned_blobs bigint NOT NULL,
    pruned_bytes bigint NOT NULL,
    drop_blobs bigint NOT NULL,
    drop_bytes bigint NOT NULL,
    proven_blobs bigint NOT NULL,
    proven_bytes bigint NOT NULL,
    way text,
    seconds double precision
);
