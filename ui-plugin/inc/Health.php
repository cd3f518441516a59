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
 * The limits are those of the instance's own schedule, as 'fo_backup status' has them; where nobody
 * has told them yet, those of the usual one.
 */
class Health
{
  const HOUR = 3600;
  const DAY = 86400;
  /** How old the last run of a verb may be by the usual schedule, in seconds */
  const USUAL = array('backup' => 30 * self::HOUR, 'check' => 9 * self::DAY, 'verify' => 9 * self::DAY);
  /** A snapshot so many times older than that is not late any more, but wrong */
  const FORGOTTEN = 5;

  /**
   * @param array $facts What is not there is null: 'good' (the newest backup that lacks nothing),
   *   'backup', 'check', 'verify', 'drill', 'copy' (the last that ended), 'next' (when the next backup is
   *   asked for), 'limits' and 'since' (as of BackupDao::getExpected())
   * @param int $now
   * @return array[] For each thing 'level' (ok, late, wrong, unknown), 'what', 'text', 'detail' (what
   *   the run had to say, or ''), and 'mod' (the page that says more, or '')
   */
  public static function judge(array $facts, $now)
  {
    $limits = $facts['limits'] === null ? self::USUAL : $facts['limits'];
    $done = function ($verb, $what, $incomplete, $mod = '') use ($facts, $limits, $now) {
      $limit = isset($limits[$verb]) ? $limits[$verb] : null;
      return $facts[$verb] === null ? self::never($what, $facts['since'], $limit, $now) :
        self::done($what, $facts[$verb], $limit, $now, $incomplete, $mod);
    };
    return array_values(array_filter(array(
      self::snapshot($facts['good'], $facts['backup'],
        isset($limits['backup']) ? $limits['backup'] : null, $now),
      self::backup($facts['backup'], $now),
      $done('check', _("Check of the repository"), _("something was found"), FindingsPage::NAME),
      $done('verify', _("Verification of the vault"), _("the vault is damaged")),
      $done('drill', _("Restore drill"), _("it did not come back whole")),
      // Whoever has no other place for copies need not hear of it.
      $facts['copy'] === null && !isset($limits['copy']) ? null :
        $done('copy', _("Copy to another place"), _("not all of it is there")),
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

  private static function snapshot($good, $backup, $limit, $now)
  {
    $what = _("Newest good snapshot");
    if ($good === null) {
      return self::line('wrong', $what, $backup === null ?
        _("there is none yet: nothing can be restored") :
        _("none is complete: not everything can be restored"));
    }
    $age = $now - $good['started'];
    $level = 'ok';
    if ($limit !== null && $age > $limit) {
      $level = $age > self::FORGOTTEN * $limit ? 'wrong' : 'late';
    }
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

  /** Nobody could be late before the installation */
  private static function never($what, $since, $limit, $now)
  {
    $late = $limit !== null && $since !== null && $now - $since > $limit;
    return self::line($late ? 'late' : 'unknown', $what, _("never done"));
  }

  private static function done($what, $run, $limit, $now, $incomplete, $mod)
  {
    $when = Words::ago($run['started'], $now);
    if ($run['state'] === 'failed') {
      return self::line('wrong', $what, sprintf(_("failed %s"), $when), $run['message']);
    }
    if ($run['state'] === 'incomplete') {
      return self::line('wrong', $what, "$when: $incomplete", $run['message'], $mod);
    }
    if ($limit !== null && $now - $run['started'] > $limit) {
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
