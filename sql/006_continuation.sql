-- SPDX-FileCopyrightText: 2026 The fossology-backup authors
-- SPDX-License-Identifier: MIT OR Apache-2.0

-- Our own tables in FOSSology's database, version 6: runs that give way to a job which runs alone,
-- and go on after it, and checks by several hosts. Idempotent.

-- `continued_by` is the entry of the queue (jq_pk) in which it goes on, `carried` what that entry
-- has to know of what was done before.
ALTER TABLE backup_request
    ADD COLUMN IF NOT EXISTS continued_by integer,
    ADD COLUMN IF NOT EXISTS carried jsonb;
ALTER TABLE backup_part
    ADD COLUMN IF NOT EXISTS continued_by integer,
    ADD COLUMN IF NOT EXISTS carried jsonb;

-- `look` sees what lies on some repository hosts, `merge` puts together what all have seen.
ALTER TABLE backup_part DROP CONSTRAINT IF EXISTS backup_part_role_check;
ALTER TABLE backup_part ADD CONSTRAINT backup_part_role_check
    CHECK (role IN ('list', 'pack', 'commit', 'look', 'merge'));
