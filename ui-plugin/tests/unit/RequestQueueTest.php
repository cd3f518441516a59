<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\BackupDao;
use Fossology\Backup\UI\BackupException;
use Fossology\Backup\UI\RequestQueue;
use Fossology\Backup\UI\Work;
use PHPUnit\Framework\TestCase;

/** On a real PostgreSQL with FOSSology's tables */
class RequestQueueTest extends TestCase
{
  private $folder;

  protected function setUp(): void
  {
    $this->folder = sys_get_temp_dir() . '/fo_backup_ui_etc_' . bin2hex(random_bytes(6));
    mkdir("$this->folder/mods-enabled/backup/agent", 0755, true);
  }

  protected function tearDown(): void
  {
    exec('rm -rf ' . escapeshellarg($this->folder));
  }

  private function queue($manager, $hosts = array('localhost' => 'localhost /etc 10'), $told = null)
  {
    return new RequestQueue($manager, array('HOSTS' => $hosts), $this->folder,
      function () use ($told) {
        return $told;
      });
  }

  /** A program that leaves its words behind and answers so */
  private function program($prints, $says, $code)
  {
    $file = "$this->folder/mods-enabled/backup/agent/backup";
    file_put_contents($file, "#!/bin/sh\nprintf '%s\\n' \"\$@\" >'$this->folder/words'\n" .
      "printf '%s' '$prints'\nprintf '%s' '$says' >&2\nexit $code\n");
    chmod($file, 0755);
  }

  public function testARequestIsEnteredWithAJobThatCarriesItsNumber()
  {
    $manager = Cluster::get()->manager();
    $asked = $this->queue($manager)->ask(Work::backup('gold'), 4, 2);
    $this->assertNull($asked['notTold']);
    $row = $manager->getSingleRow('SELECT r.verb, r.parameters, r.who, r.state, r.job,
        r.instance = i.instance AS ours, jq_type, jq_cmd_args, jq_args, jq_host, jq_end_bits,
        job_user_fk, job_group_fk, job_upload_fk, job_name
      FROM backup_instance i, backup_request r JOIN job ON job_pk = r.job
      JOIN jobqueue ON jq_job_fk = job_pk', array(), 'test');
    $this->assertSame(array('verb' => 'backup', 'parameters' => '{"mode": "gold"}',
      'who' => 'writer', 'state' => 'queued', 'job' => (string)$asked['job'], 'ours' => 't',
      'jq_type' => 'backup', 'jq_cmd_args' => '--request=' . $asked['request'], 'jq_args' => null,
      'jq_host' => null, 'jq_end_bits' => '0', 'job_user_fk' => '4', 'job_group_fk' => '2',
      'job_upload_fk' => null, 'job_name' => 'fo_backup backup'), $row);
  }

  public function testWithoutAGroupItIsTheUsersOwn()
  {
    $manager = Cluster::get()->manager();
    $this->queue($manager)->ask(Work::check(), 3);
    $row = $manager->getSingleRow('SELECT job_group_fk FROM job', array(), 'test');
    $this->assertSame('2', $row['job_group_fk']);
  }

  public function testWhatFailsLeavesNothingBehind()
  {
    $manager = Cluster::get()->manager();
    foreach (array('ALTER TABLE jobqueue ADD CHECK (jq_type <> \'backup\')',
      'DELETE FROM backup_instance', 'DROP TABLE backup_part, backup_request CASCADE') as $broken) {
      $manager->queryOnce($broken);
      try {
        $this->queue($manager)->ask(Work::backup(), 3);
        $this->fail("queued after: $broken");
      } catch (BackupException $failed) {
        $this->assertStringContainsString('fo_backup install', $failed->getMessage());
      }
      $row = $manager->getSingleRow('SELECT count(*) AS jobs FROM job', array(), 'test');
      $this->assertSame('0', $row['jobs']);
    }
  }

  public function testNobodyElseAndNowhereElse()
  {
    $manager = Cluster::get()->manager();
    $this->expectExceptionMessage('log in again');
    $this->expectException(BackupException::class);
    $this->queue($manager)->ask(Work::backup(), 4711);
  }

  public function testASchedulerThatIsDownIsToldOf()
  {
    $asked = $this->queue(Cluster::get()->manager(), array('localhost' => 'x'), 'is down')
      ->ask(Work::backup(), 3);
    $this->assertSame('is down', $asked['notTold']);
  }

  public function testSeveralHostsAreLeftToTheProgram()
  {
    $manager = Cluster::get()->manager();
    $queue = $this->queue($manager, array('localhost' => 'x', 'agent2' => 'y'));
    $this->program('{"schema":1,"request":7,"job":9,"not_told":null}', 'a note', 0);
    $this->assertSame(array('request' => 7, 'job' => 9, 'notTold' => null),
      $queue->ask(Work::backup('gold'), 3));
    $this->assertSame("-c\n$this->folder\n--json\n--quiet\nqueue\n--user\nfossy\nbackup\n" .
      "--mode=gold\n", file_get_contents("$this->folder/words"));

    $this->program('', '{"schema":1,"error":"no such host","exit":2}', 2);
    try {
      $queue->ask(Work::backup(), 3);
      $this->fail('queued');
    } catch (BackupException $failed) {
      $this->assertStringContainsString('no such host', $failed->getMessage());
    }
  }

  public function testTheStateOfARequestIsThatOfItsJobToo()
  {
    $manager = Cluster::get()->manager();
    $dao = new BackupDao($manager);
    $asked = $this->queue($manager)->ask(Work::backup(), 3);
    $request = $dao->getRequest($asked['request']);
    $this->assertSame('queued', $request['state']);
    $this->assertSame(array('mode' => 'full'), $request['parameters']);
    $this->assertCount(1, $dao->getOpenRequests());

    $manager->queryOnce("UPDATE backup_request SET state = 'running', started = now();
      UPDATE jobqueue SET jq_starttime = now(), jq_itemsprocessed = 12");
    $this->assertSame(12, $dao->getRequest($asked['request'])['entry']['items']);

    // Killed from the job list: nobody was left to say so.
    $manager->queryOnce("UPDATE jobqueue SET jq_endtime = now(), jq_end_bits = 2");
    $request = $dao->getRequest($asked['request']);
    $this->assertSame('failed', $request['state']);
    $this->assertNotEmpty($request['message']);
    $this->assertSame(array(), $dao->getOpenRequests());
    $this->assertNull($dao->getRequest(4711));
  }

  public function testWithoutOurTablesNothingIsAskedOfThem()
  {
    $this->assertFalse((new BackupDao(Cluster::get()->manager(false)))->isInstalled());
    $this->assertTrue((new BackupDao(Cluster::get()->manager()))->isInstalled());
  }
}
