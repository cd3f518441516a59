<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class Schedule
 * @brief When this host asks for the next backup, as 'fo_backup install --cron' or '--timer' left it
 *
 * Only what that writes is understood. Where the scheduler runs on another host its files are not
 * here, and then nothing is known.
 */
class Schedule
{
  const CRON = '/etc/cron.d/fossology-backup';
  const TIMER = '/etc/systemd/system/fossology-backup.timer';
  const ENABLED = '/etc/systemd/system/timers.target.wants/fossology-backup.timer';

  /** @var string */
  private $root;

  /** @param string $root A folder that stands for / */
  public function __construct($root = '')
  {
    $this->root = $root;
  }

  /**
   * @brief When the next backup is asked for
   * @param int $now
   * @return int|null Seconds since 1970
   */
  public function next($now)
  {
    foreach (array($this->cron(), $this->timer()) as $when) {
      if ($when !== null) {
        return self::after($when, $now);
      }
    }
    return null;
  }

  /** @return array|null minute, hour, day of month, day of week (0 = Sunday); '*' for any */
  private function cron()
  {
    $line = '/^(\d+) (\d+|\*) (\d+|\*) \* (\d|\*)\s.* queue backup\b/m';
    return preg_match($line, $this->read(self::CRON), $found) ? array_slice($found, 1) : null;
  }

  private function timer()
  {
    $enabled = $this->root . self::ENABLED;
    $line = '/^OnCalendar=(?:([A-Z][a-z]{2}) )?\*-\*-(\d+|\*) (\d+|\*):(\d+)$/m';
    if ((!is_link($enabled) && !is_file($enabled)) ||
      !preg_match($line, $this->read(self::TIMER), $found)) {
      return null;
    }
    $days = array('' => '*', 'Sun' => 0, 'Mon' => 1, 'Tue' => 2, 'Wed' => 3, 'Thu' => 4, 'Fri' => 5,
      'Sat' => 6);
    return isset($days[$found[1]]) ?
      array($found[4], $found[3], $found[2], (string)$days[$found[1]]) : null;
  }

  private function read($file)
  {
    $file = $this->root . $file;
    return is_readable($file) ? (string)file_get_contents($file) : '';
  }

  /** Cron and systemd both go by the host's local time */
  private static function after(array $when, $now)
  {
    list($minute, $hour, $ofMonth, $ofWeek) = $when;
    $day = new \DateTime("@$now");
    $day->setTimezone(new \DateTimeZone(date_default_timezone_get()));
    for ($days = 0; $days < 62; $days++) {
      if (($ofMonth === '*' || (int)$ofMonth === (int)$day->format('j')) &&
        ($ofWeek === '*' || (int)$ofWeek === (int)$day->format('w'))) {
        foreach ($hour === '*' ? range(0, 23) : array((int)$hour) as $at) {
          $moment = clone $day;
          $moment->setTime($at, (int)$minute);
          if ($moment->getTimestamp() > $now) {
            return $moment->getTimestamp();
          }
        }
      }
      $day->modify('+1 day');
    }
    return null;
  }
}
