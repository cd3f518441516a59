<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class BackupException
 * @brief Something could not be done; its message is for whoever sits before the page
 *
 * Messages are plain text: whoever shows one has to escape it.
 */
class BackupException extends \Exception
{
}
