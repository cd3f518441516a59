<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class Verbs
 * @brief What the installed program can be asked for
 *
 * 'fo_backup install' leaves the list in the module's folder. Where packagers did without, it is what
 * every version knows.
 */
class Verbs
{
  /**
   * @param string|null $file Where the list is
   * @return string[]
   */
  public static function known($file = null)
  {
    global $SYSCONFDIR;
    $file = $file ?: "$SYSCONFDIR/mods-enabled/backup/verbs.json";
    $verbs = is_readable($file) ? json_decode((string)file_get_contents($file), true) : null;
    return is_array($verbs) ? array_values(array_filter($verbs, 'is_string')) :
      array('backup', 'check', 'verify', 'recover');
  }
}
