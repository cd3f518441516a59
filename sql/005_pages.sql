-- SPDX-FileCopyrightText: 2026 The fossology-backup authors
-- SPDX-License-Identifier: MIT OR Apache-2.0

-- Our own tables in FOSSology's database, version 5: what pages need to show a part of a million findings at
-- once. Idempotent.

CREATE INDEX IF NOT EXISTS backup_finding_kind ON backup_finding (kind, id);
CREATE INDEX IF NOT EXISTS backup_finding_upload_kind ON backup_finding (upload_fk, kind, id);
-- What is known of a file that somebody looks at.
CREATE INDEX IF NOT EXISTS backup_finding_pfile ON backup_finding (pfile_fk);
-- The second one does what it did.
DROP INDEX IF EXISTS backup_finding_upload;
