-- SPDX-FileCopyrightText: 2026 The fossology-backup authors
-- SPDX-License-Identifier: MIT OR Apache-2.0

-- Our own tables in FOSSology's database, version 6: runs that give way to a job which runs alone,
-- and go on after it. Idempotent.

-- `continued_by` is the entry of the queue (jq_pk) in which it goes on, `carried` what that entry
-- has to know of what was done before.
ALTER TABLE backup_request
    ADD COLUMN IF NOT EXISTS continued_by integer,
    ADD COLUMN IF NOT EXISTS carried jsonb;
ALTER TABLE backup_part
    ADD COLUMN IF NOT EXISTS continued_by integer,
    ADD COLUMN IF NOT EXISTS carried jsonb;
