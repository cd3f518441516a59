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
      'check' => $this->run_(40), 'verify' => $this->run_(60), 'drill' => $this->run_(200), 'copy' => null,
      'next' => self::NOW + 7200, 'limits' => null, 'since' => self::NOW - 100 * 86400), self::NOW);
    return array_column($lines, 'level', 'what') + array('worst' => Health::worst($lines));
  }

  public function testAllIsWellWhenAllWasDoneInTime()
  {
    $this->assertSame(array('ok'), array_values(array_unique($this->levels(array()))));
  }

  public function testASnapshotGrowsOld()
  {
    foreach (array(30 => 'ok', 31 => 'late', 150 => 'late', 151 => 'wrong') as $hours => $level) {
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

  public function testTheScheduleOfTheInstanceSaysWhatIsLate()
  {
    $days = function ($days) {
      return 86400 * $days;
    };
    $limits = array('backup' => $days(9), 'check' => $days(35), 'drill' => $days(40));
    $facts = array('limits' => $limits, 'good' => $this->run_(9 * 24), 'check' => $this->run_(35 * 24),
      'verify' => $this->run_(9999), 'drill' => $this->run_(40 * 24));
    $this->assertSame('ok', $this->levels($facts)['worst']);
    foreach (array('good' => 'Newest good snapshot', 'check' => 'Check of the repository',
      'drill' => 'Restore drill') as $run => $what) {
      $facts[$run] = $this->run_(40 * 24 + 1);
      $this->assertSame('late', $this->levels($facts)[$what]);
    }
    // A schedule in which nothing is expected at all.
    $levels = $this->levels(array('limits' => array(), 'good' => $this->run_(9999),
      'check' => $this->run_(9999), 'drill' => null));
    $this->assertSame('ok', $levels['worst']);
  }

  public function testACopyElsewhereIsToldWhereThereIsOne()
  {
    $what = 'Copy to another place';
    $this->assertArrayNotHasKey($what, $this->levels(array()));
    $this->assertSame('ok', $this->levels(array('copy' => $this->run_(9999)))[$what]);
    $this->assertSame('wrong', $this->levels(array('copy' => $this->run_(1, 'incomplete')))[$what]);
    $limits = array('limits' => array('copy' => 30 * 3600));
    $this->assertSame('late', $this->levels($limits)[$what], 'never, though it is expected');
    $this->assertSame('late', $this->levels($limits + array('copy' => $this->run_(31)))[$what]);
    $this->assertSame('ok', $this->levels($limits + array('copy' => $this->run_(30)))[$what]);
  }

  public function testNobodyIsLateBeforeTheInstallationIsOldEnough()
  {
    $never = array('check' => null, 'verify' => null, 'since' => self::NOW - 9 * 86400);
    $this->assertSame('ok', $this->levels($never)['worst']);
    $never['since'] -= 1;
    $this->assertSame('late', $this->levels($never)['worst']);
  }

  public function testWhatNobodyKnowsIsNoAlarm()
  {
    $levels = $this->levels(array('drill' => null, 'next' => null));
    $this->assertSame('unknown', $levels['Restore drill']);
    $this->assertSame('unknown', $levels['Next backup']);
    $this->assertSame('ok', $levels['worst']);
  }
}
