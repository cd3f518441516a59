-- SPDX-FileCopyrightText: 2026 The fossology-backup authors
-- SPDX-License-Identifier: MIT OR Apache-2.0

-- Our own tables in FOSSology's database, version 2: what people ask the scheduler's agent for.
-- Idempotent.

-- A job of the queue carries only the number of its request; what is to be done is in its row.
-- Whoever asks enters `instance` (from backup_instance), verb, parameters and who; the agent that
-- carries it out enters the rest. Where the instance's id was changed since, as after a copy was
-- made of it, the request is not for this instance any more.
CREATE TABLE IF NOT EXISTS backup_request (
    id serial PRIMARY KEY,
    instance uuid NOT NULL,
    verb text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(parameters) = 'object'),
    who text NOT NULL,
    asked timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'incomplete', 'failed')),
    job integer,
    host text,
    started timestamptz,
    ended timestamptz,
    counts jsonb NOT NULL DEFAULT '{}',
    message text
);
CREATE INDEX IF NOT EXISTS backup_request_asked ON backup_request (asked);

-- Which request a run carried out, and as which job (job_pk).
ALTER TABLE backup_run
    ADD COLUMN IF NOT EXISTS request integer REFERENCES backup_request ON DELETE SET NULL,
    ADD COLUMN IF NOT EXISTS job integer;
