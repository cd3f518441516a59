<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\Health;
use PHPUnit\Framework\TestCase;

class HealthTest extends TestCase
{
  const NOW = 1800000000;

  private function run_($hours, $state = 'done', $counts = array(), $message = null)
  {
    return array('started' => self::NOW - 3600 * $hours, 'state' => $state, 'counts' => $counts,
      'message' => $message);
  }

  /** @return string[] The level of each line, by what it is about */
  private function levels(array $facts)
  {
    $lines = Health::judge($facts + array('good' => $this->run_(2), 'backup' => $this->run_(2),
      'check' => $this->run_(40), 'verify' => $this->run_(60), 'drill' => $this->run_(200),
      'next' => self::NOW + 7200), self::NOW);
    return array_column($lines, 'level', 'what') + array('worst' => Health::worst($lines));
  }

  public function testAllIsWellWhenAllWasDoneInTime()
  {
    $this->assertSame(array('ok'), array_values(array_unique($this->levels(array()))));
  }

  public function testASnapshotGrowsOld()
  {
    foreach (array(30 => 'ok', 31 => 'late', 168 => 'late', 169 => 'wrong') as $hours => $level) {
      $levels = $this->levels(array('good' => $this->run_($hours)));
      $this->assertSame($level, $levels['Newest good snapshot'], "$hours hours");
      $this->assertSame($level, $levels['worst']);
    }
    $this->assertSame('wrong', $this->levels(array('good' => null))['Newest good snapshot']);
    $this->assertSame('wrong', $this->levels(array('good' => null, 'backup' => null))['worst']);
  }

  public function testAFailureCountsThoughAGoodSnapshotIsThere()
  {
    foreach (array('failed', 'incomplete') as $state) {
      $levels = $this->levels(array('backup' => $this->run_(1, $state)));
      $this->assertSame('ok', $levels['Newest good snapshot']);
      $this->assertSame('wrong', $levels['Last backup']);
      $this->assertSame('wrong', $levels['worst']);
    }
  }

  public function testChecksThatFoundSomethingFailedOrAreForgotten()
  {
    $what = 'Check of the repository';
    $this->assertSame('wrong', $this->levels(array('check' => $this->run_(1, 'incomplete')))[$what]);
    $this->assertSame('wrong', $this->levels(array('check' => $this->run_(1, 'failed')))[$what]);
    $this->assertSame('ok', $this->levels(array('check' => $this->run_(9 * 24)))[$what]);
    $this->assertSame('late', $this->levels(array('check' => $this->run_(9 * 24 + 1)))[$what]);
    $this->assertSame('late', $this->levels(array('check' => null))[$what]);
  }

  public function testWhatNobodyKnowsIsNoAlarm()
  {
    $levels = $this->levels(array('drill' => null, 'next' => null));
    $this->assertSame('unknown', $levels['Restore drill']);
    $this->assertSame('unknown', $levels['Next backup']);
    $this->assertSame('ok', $levels['worst']);
  }
}
