<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class Words
 * @brief Numbers, sizes, times and states for people. Plain text, to be escaped where it is shown
 */
class Words
{
  /** @return string 1,234,567 */
  public static function number($number)
  {
    return number_format((float)$number);
  }

  /** @return string 1.30 GB, in steps of a thousand as the command line has them */
  public static function bytes($bytes)
  {
    $bytes = (float)$bytes;
    foreach (array('B', 'kB', 'MB', 'GB', 'TB') as $unit) {
      if ($bytes < 999.5) {
        return ($unit === 'B' || $bytes >= 99.5 ? number_format($bytes) :
          number_format($bytes, $bytes >= 9.95 ? 1 : 2)) . " $unit";
      }
      $bytes /= 1000;
    }
    return number_format($bytes, 1) . ' PB';
  }

  /** @return string 3.2 s, 4 min 10 s, 2 h 5 min, 3 days */
  public static function duration($seconds)
  {
    $whole = (int)$seconds;
    if ($whole < 10) {
      return sprintf(_("%.1f s"), $seconds);
    }
    if ($whole < 60) {
      return sprintf(_("%d s"), $whole);
    }
    if ($whole < 3600) {
      return sprintf(_("%d min %d s"), intdiv($whole, 60), $whole % 60);
    }
    if ($whole < 172800) {
      return sprintf(_("%d h %d min"), intdiv($whole, 3600), intdiv($whole % 3600, 60));
    }
    return sprintf(_("%d days"), intdiv($whole, 86400));
  }

  /** @return string 3 hours ago */
  public static function ago($then, $now)
  {
    $seconds = max(0, (int)($now - $then));
    if ($seconds < 60) {
      return _("just now");
    }
    if ($seconds < 3600) {
      $minutes = intdiv($seconds, 60);
      return sprintf(ngettext("%d minute ago", "%d minutes ago", $minutes), $minutes);
    }
    if ($seconds < 172800) {
      $hours = intdiv($seconds, 3600);
      return sprintf(ngettext("%d hour ago", "%d hours ago", $hours), $hours);
    }
    return sprintf(_("%d days ago"), intdiv($seconds, 86400));
  }

  /**
   * @brief A moment in the time zone of whoever looks, as FOSSology's other pages have it
   * @param float|null $seconds Since 1970
   * @return string
   */
  public static function time($seconds)
  {
    if ($seconds === null) {
      return '';
    }
    $time = new \DateTime('@' . (int)$seconds);
    $zone = isset($_SESSION['timezone']) ? $_SESSION['timezone'] : date_default_timezone_get();
    $known = is_string($zone) && in_array($zone, timezone_identifiers_list(), true);
    $time->setTimezone(new \DateTimeZone($known ? $zone : date_default_timezone_get()));
    return $time->format('Y-m-d H:i');
  }

  /** @return string What a verb does */
  public static function verb($verb)
  {
    $verbs = array(
      'backup' => _("Backup"),
      'check' => _("Check"),
      'verify' => _("Verification"),
      'recover' => _("Recovery"),
      'restore' => _("Restore"),
      'prune' => _("Pruning"),
      'expire' => _("Retention"),
      'drill' => _("Restore drill"));
    return isset($verbs[$verb]) ? $verbs[$verb] : $verb;
  }

  /** @return string A state of a request or a run */
  public static function state($state)
  {
    $states = array(
      'queued' => _("waiting"),
      'running' => _("running"),
      'done' => _("done"),
      'incomplete' => _("incomplete"),
      'failed' => _("failed"));
    return isset($states[$state]) ? $states[$state] : $state;
  }

  /** @return string Bootstrap's colour for a state */
  public static function colour($state)
  {
    $colours = array('done' => 'success', 'ok' => 'success', 'incomplete' => 'warning',
      'late' => 'warning', 'failed' => 'danger', 'wrong' => 'danger', 'running' => 'primary');
    return isset($colours[$state]) ? $colours[$state] : 'secondary';
  }

  /** @return string A word of a command line, in quotes where it needs them */
  public static function shell($word)
  {
    return preg_match('/^[A-Za-z0-9_.\/:@%+=,-]+$/D', $word) ? $word : escapeshellarg($word);
  }
}
