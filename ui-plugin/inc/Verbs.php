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
 * 'fo_backup install' leaves the list beside the pages: they may be older or newer than the program
 * that packagers put there.
 */
class Verbs
{
  /**
   * @param string|null $file Where the list is
   * @return string[]
   */
  public static function known($file = null)
  {
    $file = $file ?: dirname(__DIR__, 2) . '/verbs.json';
    $verbs = is_readable($file) ? json_decode((string)file_get_contents($file), true) : null;
    return is_array($verbs) ? array_values(array_filter($verbs, 'is_string')) :
      array('backup', 'check', 'verify', 'recover');
  }
}
