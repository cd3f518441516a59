<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\BackupException;
use Fossology\Backup\UI\Work;
use PHPUnit\Framework\TestCase;

class WorkTest extends TestCase
{
  const BLOB = 'DA39A3EE5E6B4B0D3255BFEF95601890AFD80709.D41D8CD98F00B204E9800998ECF8427E.0';

  public function testItIsWrittenAsTheAgentReadsIt()
  {
    foreach (array(
      array(Work::backup(), 'backup', '{"mode":"full"}'),
      array(Work::backup('gold'), 'backup', '{"mode":"gold"}'),
      array(Work::check(), 'check', '{"deep":false,"uploads":[]}'),
      array(Work::check(true, array('7', 3, 7)), 'check', '{"deep":true,"uploads":[7,3]}'),
      array(Work::verify(), 'verify', '{}'),
      array(Work::verify(10), 'verify', '{"read_data":10.0}'),
      array(Work::recoverUploads(array(3)), 'recover', '{"uploads":[3]}'),
      array(Work::recoverBlobs(array(self::BLOB)), 'recover',
        '{"blobs":["' . strtolower(self::BLOB) . '"]}'),
      array(Work::recoverMissing(), 'recover', '{"missing":true}'),
      array(Work::drill(), 'drill', '{}'),
      array(Work::expire(true), 'expire', '{"dry_run":true}'),
      array(Work::prune(null, true, true), 'prune', '{"dry_run":true,"prove":true}'),
      array(Work::prune('cold', false, true), 'prune', '{"policy":"cold"}'),
      array(Work::undoPruning(array(3)), 'prune', '{"undo":[3]}')) as $case) {
      list($work, $verb, $json) = $case;
      $this->assertSame($verb, $work->verb());
      $this->assertSame($json, $work->json());
    }
  }

  public function testItIsTheSameOnTheCommandLine()
  {
    foreach (array(
      array(Work::backup('gold'), 'backup --mode=gold'),
      array(Work::check(), 'check'),
      array(Work::check(true, array(3, 4)), 'check --deep --upload 3 --upload 4'),
      array(Work::verify(10), 'verify --read-data=10'),
      array(Work::recoverMissing(), 'recover --missing'),
      array(Work::prune('cold', true), 'prune --policy=cold --dry-run'),
      array(Work::prune('cold', false), 'prune --policy=cold --yes'),
      array(Work::undoPruning(array(3, 4)), 'prune --undo 3 --undo 4')) as $case) {
      $this->assertSame($case[1], implode(' ', $case[0]->arguments()));
    }
  }

  public function testWhatMakesNoSenseIsRefused()
  {
    foreach (array(
      function () {
        Work::backup('half');
      },
      function () {
        Work::check(false, array(0));
      },
      function () {
        Work::check(false, array("1 OR 1"));
      },
      function () {
        Work::recoverUploads(array());
      },
      function () {
        Work::recoverUploads(array('3000000000'));
      },
      function () {
        Work::recoverBlobs(array(self::BLOB . "\n"));
      },
      function () {
        Work::prune('--yes', true);
      },
      function () {
        Work::verify(101);
      }) as $number => $made) {
      try {
        $made();
        $this->fail("case $number was taken");
      } catch (BackupException $refused) {
        $this->assertNotSame('', $refused->getMessage());
      }
    }
  }
}
