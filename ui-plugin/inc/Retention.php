<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class Retention
 * @brief What retention made of the snapshots that the history names: some are gone from the vault,
 * some have another id, since what holds them was packed again. Pure
 */
class Retention
{
  /** @var string[] The next id of a snapshot, '' if it is gone */
  private $next = array();
  /** @var array[] 'started' and 'bytes' of what each run gave back, oldest first */
  private $givenBack = array();

  /** @param array[] $runs Of the verb expire, oldest first, as of RunDao::getExpiries() */
  public function __construct(array $runs)
  {
    foreach ($runs as $run) {
      $counts = $run['counts'] + array('gone' => array(), 'renamed' => array(), 'given_back' => 0);
      foreach ($counts['gone'] as $snapshot) {
        $this->next[$snapshot] = '';
      }
      foreach ($counts['renamed'] as $renamed) {
        $this->next[$renamed['from']] = $renamed['to'];
      }
      $this->givenBack[] = array('started' => $run['started'], 'bytes' => (float)$counts['given_back']);
    }
  }

  /**
   * @brief How a snapshot is called now
   * @param string $snapshot As the history calls it
   * @return string|null null when it is gone
   */
  public function nameNow($snapshot)
  {
    // Each id is new, so no chain leads back.
    while (isset($this->next[$snapshot])) {
      $snapshot = $this->next[$snapshot];
    }
    return $snapshot === '' ? null : $snapshot;
  }

  /**
   * @brief How much was given back until then
   * @param float $time Seconds since 1970
   * @return float Bytes
   */
  public function givenBackUntil($time)
  {
    $bytes = 0.0;
    foreach ($this->givenBack as $run) {
      $bytes += $run['started'] <= $time ? $run['bytes'] : 0;
    }
    return $bytes;
  }
}
