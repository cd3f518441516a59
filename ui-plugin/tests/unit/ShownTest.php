<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\Chart;
use Fossology\Backup\UI\Charts;
use Fossology\Backup\UI\Progress;
use Fossology\Backup\UI\Retention;
use Fossology\Backup\UI\Schedule;
use Fossology\Backup\UI\Words;
use PHPUnit\Framework\TestCase;

/** What is shown: numbers, times, bars */
class ShownTest extends TestCase
{
  public function testSizesAndTimesAreShort()
  {
    foreach (array(0 => '0 B', 999 => '999 B', 1000 => '1.00 kB', 999600 => '1.00 MB', 12345678 => '12.3 MB',
      1300000000 => '1.30 GB', 131000000000 => '131 GB') as $bytes => $text) {
      $this->assertSame($text, Words::bytes($bytes));
    }
    foreach (array(3 => '3.0 s', 42 => '42 s', 250 => '4 min 10 s', 7500 => '2 h 5 min',
      400000 => '4 days') as $seconds => $text) {
      $this->assertSame($text, Words::duration($seconds));
    }
    $this->assertSame('1 hour ago', Words::ago(1000, 4700));
    $this->assertSame('just now', Words::ago(1000, 900), 'a clock that is behind');
  }

  public function testACommandLineMeansWhatItSays()
  {
    $this->assertSame('/etc/fossology', Words::shell('/etc/fossology'));
    $this->assertSame("'a b; rm'", Words::shell('a b; rm'));
    $this->assertSame("'x\n'", Words::shell("x\n"));
  }

  public function testBarsStandOnEachOtherAndFit()
  {
    $chart = Chart::make('x', 'X', array('a', 'b'), array(
      array('name' => 'one', 'kind' => 'bar', 'colour' => '#111', 'values' => array(10, 20)),
      array('name' => 'two', 'kind' => 'bar', 'colour' => '#222', 'values' => array(5, 0))), 'strval');
    $this->assertCount(3, $chart['bars']);
    list($lower, , $upper) = $chart['bars'];
    $this->assertEqualsWithDelta($lower['y'], $upper['y'] + $upper['height'], 0.11);
    $this->assertEqualsWithDelta($chart['bottom'], $lower['y'] + $lower['height'], 0.11);
    foreach ($chart['bars'] as $bar) {
      $this->assertGreaterThanOrEqual(Chart::TOP - 0.1, $bar['y']);
      $this->assertLessThanOrEqual($chart['right'], $bar['x'] + $bar['width']);
    }
    $this->assertSame(array('0', '10', '20'), array_column($chart['ticks'], 'text'));
    $this->assertSame(array('b', 'a'), array_column($chart['rows'], 'label'), 'the newest first');
    $this->assertSame('a to b: one from 10 to 20, two from 5 to 0.', $chart['summary']);
  }

  public function testASinglePointIsSeen()
  {
    $chart = Chart::make('x', 'X', array('a'), array(
      array('name' => 'one', 'kind' => 'line', 'colour' => '#111', 'values' => array(10)),
      array('name' => 'two', 'kind' => 'bar', 'colour' => '#222', 'values' => array(10))), 'strval');
    $this->assertCount(1, $chart['dots']);
    $this->assertSame(array(), $chart['lines']);
    $this->assertLessThan(100, $chart['bars'][0]['width']);
    $this->assertSame('', $chart['last'], 'its label stands there once');
  }

  public function testAnAxisOfTimeEndsAtWholeMinutes()
  {
    $chart = Chart::make('x', 'X', array('a'), array(
      array('name' => 'took', 'kind' => 'bar', 'colour' => '#111', 'values' => array(330))),
      array('Fossology\Backup\UI\Words', 'duration'), array(60, 3600));
    $this->assertSame('6 min 0 s', $chart['ticks'][2]['text']);
  }

  public function testNothingIsDrawnOfNothing()
  {
    foreach (Charts::of(array()) as $chart) {
      $this->assertSame(array(), $chart['bars']);
      $this->assertSame('There is nothing to show yet.', $chart['summary']);
    }
  }

  public function testASnapshotIsFoundUnderTheNameItHasNow()
  {
    $retention = new Retention(array(
      array('started' => 1, 'counts' => array('gone' => array('a'),
        'renamed' => array(array('from' => 'b', 'to' => 'b2')))),
      array('started' => 2, 'counts' => array()),
      array('started' => 3, 'counts' => array('gone' => array('c2'),
        'renamed' => array(array('from' => 'b2', 'to' => 'b3'), array('from' => 'c', 'to' => 'c2'))))));
    $this->assertNull($retention->nameNow('a'));
    $this->assertSame('b3', $retention->nameNow('b'));
    $this->assertNull($retention->nameNow('c'));
    $this->assertSame('d', $retention->nameNow('d'));
  }

  public function testWhatIsPrunedIsNotCountedAsThere()
  {
    $run = function ($started) {
      return array('mode' => 'full', 'started' => $started, 'seconds' => 1,
        'counts' => array('gold_bytes' => 100, 'files_bytes' => 1000, 'stored_bytes' => 10));
    };
    $retention = new Retention(array(array('started' => 25, 'counts' => array('given_back' => 12))));
    $charts = Charts::of(array($run(10), $run(20), $run(30)), 5, $retention,
      array(array('started' => 15, 'bytes' => 400), array('started' => 29, 'bytes' => 300)));
    $this->assertSame(array(array('23 B'), array('25 B'), array('15 B')),
      array_column($charts[0]['rows'], 'cells'));
    $cells = array_column($charts[2]['rows'], 'cells');
    $this->assertSame(array('600 B', '100 B', '300 B'), $cells[0], 'the newest');
    $this->assertSame(array('500 B', '100 B', '400 B'), $cells[1]);
    $this->assertSame(array('900 B', '100 B', '0 B'), $cells[2]);
  }

  public function testTheNextBackupIsReadFromWhatWasInstalled()
  {
    $root = sys_get_temp_dir() . '/fo_backup_ui_root_' . bin2hex(random_bytes(6));
    mkdir("$root/etc/cron.d", 0755, true);
    mkdir("$root/etc/systemd/system/timers.target.wants", 0755, true);
    $zone = date_default_timezone_get();
    date_default_timezone_set('Europe/Berlin');
    $next = function ($now) use ($root) {
      $time = (new Schedule($root))->next(strtotime($now));
      return $time === null ? null : date('D Y-m-d H:i', $time);
    };
    try {
      $this->assertNull($next('2026-11-24 12:00'));
      $timer = "$root/etc/systemd/system/fossology-backup.timer";
      file_put_contents($timer, "[Timer]\nOnCalendar=*-*-* 02:15\nPersistent=true\n");
      $this->assertNull($next('2026-11-24 12:00'), 'a timer that is not enabled wakes nothing');
      symlink($timer, "$root/etc/systemd/system/timers.target.wants/fossology-backup.timer");
      $this->assertSame('Wed 2026-11-25 02:15', $next('2026-11-24 12:00'));
      $this->assertSame('Tue 2026-11-24 02:15', $next('2026-11-24 02:14'));
      file_put_contents($timer, "OnCalendar=Sun *-*-* 02:15\n");
      $this->assertSame('Sun 2026-11-29 02:15', $next('2026-11-24 12:00'));
      file_put_contents($timer, "OnCalendar=Mon..Fri 04:00\n");
      $this->assertNull($next('2026-11-24 12:00'), 'what others have written is not guessed at');

      $cron = "$root/etc/cron.d/fossology-backup";
      file_put_contents($cron, "# x\n45 6 * * 6  fossy  /x/backup -c /etc -q queue check\n" .
        "35 * 1 * *  fossy  /x/backup -c /etc -q queue backup\n");
      $this->assertSame('Tue 2026-12-01 00:35', $next('2026-11-24 12:00'));
    } finally {
      date_default_timezone_set($zone);
      exec('rm -rf ' . escapeshellarg($root));
    }
  }

  private function request($state, $progress, $items = 0)
  {
    return array('id' => 1, 'job' => 2, 'state' => $state, 'verb' => 'backup', 'who' => 'fossy',
      'asked' => 900, 'parameters' => array('mode' => 'gold'), 'entry' => array('items' => $items),
      'counts' => $progress === null ? array() : array('progress' => $progress));
  }

  public function testProgressIsToldAsFarAsItIsKnown()
  {
    $now = 1000;
    $one = Progress::of($this->request('queued', null), $now);
    $this->assertSame('Backup (gold), asked for by fossy', $one['title']);
    $this->assertNull($one['percent']);
    $this->assertSame('12 done so far', Progress::of($this->request('running', null, 12), $now)['text']);

    $step = array('step' => 'packing', 'done' => 30, 'of' => 120, 'bytes' => 500, 'of_bytes' => 1000,
      'since' => 900);
    $one = Progress::of($this->request('running', array('vm' => $step)), $now);
    $this->assertSame(50, $one['percent']);
    $this->assertSame('packing: 30 of 120 (500 B of 1.00 kB), about 1 min 40 s left', $one['text']);

    // The slowest of several hosts says how far all are.
    $other = array('of_bytes' => 0, 'since' => 999) + $step;
    $one = Progress::of($this->request('running', array('a' => $step, 'b' => $other)), $now);
    $this->assertSame(25, $one['percent']);
    $this->assertStringContainsString('b: packing: 30 of 120', $one['text']);
    $one = Progress::of($this->request('running', array('a' => $step, 'b' => array('step' => 'dump'))), $now);
    $this->assertNull($one['percent']);
  }
}
