<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class Health
 * @brief From what is known to how things stand: in words, and good (ok), late or wrong. Pure
 *
 * The limits are those of a schedule as 'fo_backup install' makes it: a backup each night, a check
 * and a verification each week, a drill now and then. 'fo_backup status' says the same with the
 * limits of the instance's own schedule.
 */
class Health
{
  const HOUR = 3600;
  const DAY = 86400;

  /**
   * @param array $facts What is not there is null: 'good' (the newest backup that lacks nothing),
   *   'backup', 'check', 'verify', 'drill' (the last that ended), 'next' (when the next backup is
   *   asked for)
   * @param int $now
   * @return array[] For each thing 'level' (ok, late, wrong, unknown), 'what', 'text', 'detail' (what
   *   the run had to say, or ''), and 'mod' (the page that says more, or '')
   */
  public static function judge(array $facts, $now)
  {
    return array_values(array_filter(array(
      self::snapshot($facts['good'], $facts['backup'], $now),
      self::backup($facts['backup'], $now),
      self::done(_("Check of the repository"), $facts['check'], 9 * self::DAY, $now,
        _("something was found"), 'late', FindingsPage::NAME),
      self::done(_("Verification of the vault"), $facts['verify'], 9 * self::DAY, $now,
        _("the vault is damaged"), 'late'),
      self::done(_("Restore drill"), $facts['drill'], 9 * self::DAY, $now,
        _("it did not come back whole"), 'unknown'),
      self::next($facts['next'], $now))));
  }

  /**
   * @param array[] $lines
   * @return string The worst of them
   */
  public static function worst(array $lines)
  {
    $levels = array_column($lines, 'level');
    foreach (array('wrong', 'late') as $level) {
      if (in_array($level, $levels, true)) {
        return $level;
      }
    }
    return 'ok';
  }

  private static function line($level, $what, $text, $detail = '', $mod = '')
  {
    return array('level' => $level, 'what' => $what, 'text' => $text, 'detail' => (string)$detail,
      'mod' => $mod);
  }

  private static function snapshot($good, $backup, $now)
  {
    $what = _("Newest good snapshot");
    if ($good === null) {
      return self::line('wrong', $what, $backup === null ?
        _("there is none yet: nothing can be restored") :
        _("none is complete: not everything can be restored"));
    }
    $age = $now - $good['started'];
    $level = $age <= 30 * self::HOUR ? 'ok' : ($age <= 7 * self::DAY ? 'late' : 'wrong');
    return self::line($level, $what, Words::ago($good['started'], $now) .
      ', ' . Words::time($good['started']) . ($level === 'ok' ? '' : _(": what came since is in no backup")));
  }

  /** Told only when the last backup is not the good one */
  private static function backup($backup, $now)
  {
    if ($backup === null || $backup['state'] === 'done') {
      return null;
    }
    $what = _("Last backup");
    $when = Words::ago($backup['started'], $now);
    if ($backup['state'] === 'failed') {
      return self::line('wrong', $what, sprintf(_("failed %s"), $when), $backup['message']);
    }
    $counts = $backup['counts'];
    $lacks = (isset($counts['missing']) ? $counts['missing'] : 0) +
      (isset($counts['corrupt']) ? $counts['corrupt'] : 0);
    return self::line('wrong', $what, $lacks > 0 ?
      sprintf(_("incomplete, %s: %s files are missing or damaged in the repository"), $when,
        Words::number($lacks)) :
      sprintf(_("incomplete, %s: some files of the configuration or of reports could not be read"), $when),
      $backup['message']);
  }

  private static function done($what, $run, $limit, $now, $incomplete, $never, $mod = '')
  {
    if ($run === null) {
      return self::line($never, $what, _("never done"));
    }
    $when = Words::ago($run['started'], $now);
    if ($run['state'] === 'failed') {
      return self::line('wrong', $what, sprintf(_("failed %s"), $when), $run['message']);
    }
    if ($run['state'] === 'incomplete') {
      return self::line('wrong', $what, "$when: $incomplete", $run['message'], $mod);
    }
    if ($now - $run['started'] > $limit) {
      return self::line('late', $what, sprintf(_("all was well, but that was %s"), $when));
    }
    return self::line('ok', $what, sprintf(_("all was well, %s"), $when));
  }

  private static function next($next, $now)
  {
    $what = _("Next backup");
    if ($next === null) {
      return self::line('unknown', $what,
        _("none is planned on this host; 'fo_backup install --timer' plans one each night"));
    }
    return self::line('ok', $what,
      sprintf(_("%s, in %s"), Words::time($next), Words::duration($next - $now)));
  }
}
