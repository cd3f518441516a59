-- SPDX-FileCopyrightText: 2026 The fossology-backup authors
-- SPDX-License-Identifier: MIT OR Apache-2.0

-- Our own tables in FOSSology's database, version 1. Idempotent. A reference to a table of
-- FOSSology's goes away with the row it points to, so that none can ever stop a deletion.

-- Which instance this is; it goes with the database into the vault and back. One row.
CREATE TABLE IF NOT EXISTS backup_instance (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    instance uuid NOT NULL,
    made timestamptz NOT NULL DEFAULT now(),
    schema_version integer NOT NULL
);

-- What was done, when, by whom and with what result.
CREATE TABLE IF NOT EXISTS backup_run (
    id serial PRIMARY KEY,
    verb text NOT NULL,
    mode text,
    started timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended timestamptz,
    host text NOT NULL,
    who text NOT NULL,
    state text NOT NULL DEFAULT 'running'
        CHECK (state IN ('running', 'done', 'incomplete', 'failed')),
    snapshot text,
    counts jsonb NOT NULL DEFAULT '{}',
    message text
);
CREATE INDEX IF NOT EXISTS backup_run_started ON backup_run (started);

-- What the last check found. A name's hashes are in upper case, as in pfile; they are empty
-- where what was found has no such name.
CREATE TABLE IF NOT EXISTS backup_finding (
    id bigserial PRIMARY KEY,
    kind text NOT NULL,
    tree text,
    host text,
    sha1 character(40),
    md5 character(32),
    size bigint,
    pfile_fk integer,
    upload_fk integer,
    detail text
);
CREATE INDEX IF NOT EXISTS backup_finding_upload ON backup_finding (upload_fk);

-- Blobs that are not in the repository on purpose, and blobs that unpacking again would not give:
-- those are never pruned, so a blob is one or the other.
CREATE TABLE IF NOT EXISTS backup_blob_state (
    pfile_pk integer PRIMARY KEY REFERENCES pfile ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('pruned', 'not_reproducible')),
    since timestamptz NOT NULL DEFAULT now(),
    why text
);

-- Entries of the job queue that a restore has parked, with the columns as they were.
CREATE TABLE IF NOT EXISTS backup_parked_job (
    jq_pk integer PRIMARY KEY REFERENCES jobqueue ON DELETE CASCADE,
    jq_starttime timestamptz,
    jq_endtime timestamptz,
    jq_endtext text,
    jq_end_bits smallint NOT NULL,
    jq_schedinfo text,
    reason text NOT NULL CHECK (reason IN ('queued', 'running')),
    parked timestamptz NOT NULL DEFAULT now(),
    snapshot text NOT NULL
);
