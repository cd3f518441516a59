<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\RecoveryJobs;
use PHPUnit\Framework\TestCase;

/** On a real PostgreSQL */
class RecoveryJobsTest extends TestCase
{
  private $instance;
  private $jobs;
  private $upload;

  protected function setUp(): void
  {
    $this->instance = new Instance();
    list($gold) = $this->instance->blob('gold', array('gold'));
    $this->upload = $this->instance->upload('a.tar', $gold);
    $this->jobs = new RecoveryJobs($this->instance->database);
  }

  protected function tearDown(): void
  {
    $this->instance->remove();
  }

  public function testARecoveryIsAJobOfItsUploadThatCarriesTheUploadsNumber()
  {
    $entry = $this->jobs->ask($this->upload, 4, 2);
    $row = $this->instance->database->getSingleRow('SELECT jq_pk, jq_type, jq_args, jq_cmd_args, jq_host,
        jq_end_bits, job_upload_fk, job_user_fk, job_group_fk FROM jobqueue
      JOIN job ON job_pk = jq_job_fk', array(), 'test');
    $this->assertSame(array('jq_pk' => (string)$entry, 'jq_type' => 'backup',
      'jq_args' => (string)$this->upload, 'jq_cmd_args' => null, 'jq_host' => null,
      'jq_end_bits' => '0', 'job_upload_fk' => (string)$this->upload, 'job_user_fk' => '4',
      'job_group_fk' => '2'), $row);
  }

  public function testOneThatWaitsOrRunsServesEverybody()
  {
    $entry = $this->jobs->ask($this->upload, 4, 2);
    $this->assertSame($entry, $this->jobs->ask($this->upload, 3, 2));
    $this->instance->query('UPDATE jobqueue SET jq_starttime = now()');
    $job = $this->instance->job($this->upload);
    $this->assertSame($entry, $this->jobs->add($job, $this->upload));
    $this->assertSame('1', $this->instance->one('SELECT count(*) FROM jobqueue'));
  }

  /** @dataProvider ends */
  public function testOneThatHasEndedServesNobody($end)
  {
    $entry = $this->jobs->ask($this->upload, 4, 2);
    $this->instance->query("UPDATE jobqueue SET $end");
    $this->assertSame(0, $this->jobs->open($this->upload));
    $this->assertNotSame($entry, $this->jobs->ask($this->upload, 4, 2));
  }

  public static function ends()
  {
    return array('well' => array('jq_endtime = now(), jq_end_bits = 1'),
      'failed' => array('jq_endtime = now(), jq_end_bits = 2'),
      'killed before it began' => array('jq_end_bits = 2'));
  }

  public function testItWaitsForWhatItIsPutBehind()
  {
    $job = $this->instance->job($this->upload);
    $this->instance->query("INSERT INTO jobqueue (jq_pk, jq_job_fk, jq_type, jq_end_bits)
      VALUES (7, $job, 'adj2nest', 0)");
    $entry = $this->jobs->add($job, $this->upload, array(0, 7));
    $this->assertSame('7', $this->instance->one(
      'SELECT jdep_jq_depends_fk FROM jobdepends WHERE jdep_jq_fk = $1', array($entry)));
    $this->assertSame('1', $this->instance->one('SELECT count(*) FROM jobdepends'));
  }

  public function testWhatFailsLeavesNothingBehind()
  {
    $this->instance->query("ALTER TABLE jobqueue ADD CHECK (jq_type <> 'backup')");
    try {
      $this->jobs->ask($this->upload, 4, 2);
      $this->fail('the table did not take it');
    } catch (\Exception $failed) {
      $this->assertStringContainsString('jobqueue', $failed->getMessage());
    }
    $this->assertSame('0', $this->instance->one('SELECT count(*) FROM job'));
  }
}
