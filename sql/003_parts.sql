-- SPDX-FileCopyrightText: 2026 The fossology-backup authors
-- SPDX-License-Identifier: MIT OR Apache-2.0

-- Our own tables in FOSSology's database, version 3: a request that several hosts carry out
-- together. Idempotent.

-- One step of such a request, and one row of the queue, which carries its number. `list` sees the
-- moment and leaves the plan in `data`, each `pack` what it did, and `commit` makes the snapshot
-- of both. All rows of a request go when its snapshot is there, or another backup took over.
CREATE TABLE IF NOT EXISTS backup_part (
    id serial PRIMARY KEY,
    request integer NOT NULL REFERENCES backup_request ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('list', 'pack', 'commit')),
    host text,
    repository_hosts jsonb NOT NULL DEFAULT '[]',
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed')),
    data bytea,
    message text
);
CREATE INDEX IF NOT EXISTS backup_part_request ON backup_part (request);
