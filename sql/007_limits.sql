-- SPDX-FileCopyrightText: 2026 The fossology-backup authors
-- SPDX-License-Identifier: MIT OR Apache-2.0

-- Our own tables in FOSSology's database, version 7: what pages cannot read in fo_backup.toml, which
-- may be on another host and closed to them. Idempotent.

-- How old the last run of each verb may be, in seconds by verb, as the host sees it that wakes the
-- tasks of the schedule; nobody misses a verb that is not there. NULL: not told yet.
ALTER TABLE backup_instance ADD COLUMN IF NOT EXISTS limits jsonb;
