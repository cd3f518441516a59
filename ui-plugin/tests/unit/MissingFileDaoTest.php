<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\MissingFileDao;
use Fossology\Backup\UI\RecoveryJobs;
use Fossology\Backup\UI\RequestQueue;
use Fossology\Backup\UI\Work;
use PHPUnit\Framework\TestCase;

/** On a real PostgreSQL */
class MissingFileDaoTest extends TestCase
{
  private $instance;
  private $dao;
  private $upload;
  private $file;

  protected function setUp(): void
  {
    $this->start(true);
  }

  private function start($ours)
  {
    $this->instance = new Instance($ours);
    $this->dao = new MissingFileDao($this->instance->database);
    list($gold) = $this->instance->blob('gold', array('gold'));
    list($pfile) = $this->instance->blob('content', array());
    $this->upload = $this->instance->upload('a.tar', $gold);
    $this->file = $this->dao->getFile($this->instance->item($this->upload, 'x.c', $pfile));
  }

  protected function tearDown(): void
  {
    $this->instance->remove();
  }

  public function testAFileIsKnownByItsItem()
  {
    $name = sha1('content') . '.' . md5('content') . '.7';
    $this->assertSame($name, $this->file['name']);
    $this->assertSame(array('x.c', $this->upload, 'a.tar', 'fossy', 7.0, false, false),
      array($this->file['file'], $this->file['upload'], $this->file['uploadName'], $this->file['owner'],
      $this->file['size'], $this->file['isUpload'], $this->file['isNote']));
    $this->assertSame(sha1('gold'), substr($this->file['gold'], 0, 40));
    $this->assertNull($this->dao->getFile(99999));
  }

  public function testWithoutOurTablesNothingIsKnown()
  {
    $this->instance->remove();
    $this->start(false);
    $story = $this->dao->getStory($this->file);
    $this->assertSame(array(null, null, null),
      array($story['state'], $story['finding'], $story['restore']));
    $this->assertNull($this->dao->getRate());
    $this->assertNull($this->dao->getRecovery($this->file));
  }

  public function testTheStoryIsInOurTables()
  {
    $pfile = $this->file['pfile'];
    $this->instance->query("INSERT INTO backup_blob_state (pfile_pk, kind, why)
        VALUES ($pfile, 'pruned', 'old');
      INSERT INTO backup_finding (kind, pfile_fk, upload_fk, detail) VALUES
        ('missing', $pfile, $this->upload, 'not there'), ('missing', $pfile, 999, 'of another'),
        ('wrong_mode', $pfile, $this->upload, 'another kind');
      INSERT INTO backup_run (verb, mode, state, host, who, snapshot, started, ended) VALUES
        ('restore', 'full', 'done', 'h', 'w', 's1', now() - interval '9 days', now() - interval '9 days'),
        ('restore', 'gold', 'done', 'h', 'w', 's2', now(), now()),
        ('restore', 'full', 'failed', 'h', 'w', NULL, now(), now()),
        ('check', NULL, 'incomplete', 'h', 'w', NULL, now(), to_timestamp(1700000000)),
        ('backup', 'full', 'done', 'h', 'w', 's3', now() - interval '2 hours', now()),
        ('backup', 'gold', 'done', 'h', 'w', 's4', now() - interval '9 minutes', now()),
        ('backup', 'gold', 'failed', 'h', 'w', NULL, now(), now())");
    $story = $this->dao->getStory($this->file);
    $this->assertSame(array('pruned', 'old'), array($story['state']['kind'], $story['state']['why']));
    $this->assertSame('not there', $story['finding']);
    $this->assertSame(1700000000.0, $story['checked']);
    $this->assertSame('gold', $story['restore']['mode']);
    $this->assertNull($story['backup']['full'], 'it began before the upload');
    $this->assertEqualsWithDelta(time() - 540, $story['backup']['gold'], 60);
  }

  public function testTheRateIsThatOfPastRecoveriesThatGaveSomething()
  {
    $this->assertNull($this->dao->getRate());
    $this->instance->query("INSERT INTO backup_run (verb, state, host, who, started, ended, counts)
      SELECT 'recover', state, 'h', 'w', now() - make_interval(secs => seconds), now(), counts::jsonb
        FROM (VALUES ('done', 10, '{\"unpacked\": {\"blobs\": 1, \"bytes\": 3000}, \"from_vault\":
                     {\"blobs\": 0, \"bytes\": 1000}}'),
                     ('incomplete', 30, '{\"unpacked\": {\"bytes\": 4000}}'),
                     ('done', 1000, '{\"unpacked\": {\"bytes\": 0}}'),
                     ('failed', 1000, '{}')) past (state, seconds, counts)");
    $this->assertEqualsWithDelta(200.0, $this->dao->getRate(), 0.1);
  }

  public function testTheRateOfSeveralHostsIsThatOfTheirShares()
  {
    $this->instance->query("INSERT INTO backup_request (instance, verb, parameters, who)
        SELECT instance, 'recover', '{\"missing\": true}', 'w' FROM backup_instance;
      INSERT INTO backup_run (verb, state, host, who, request, started, ended, counts)
      SELECT verb, 'done', 'h', 'w', (SELECT max(id) FROM backup_request),
             now() - make_interval(secs => seconds), now(),
             jsonb_build_object('unpacked', jsonb_build_object('bytes', bytes))
        FROM (VALUES ('recover part', 10, 3000), ('recover part', 30, 1000),
                     ('recover', 1, 4000)) past (verb, seconds, bytes)");
    $this->assertEqualsWithDelta(100.0, $this->dao->getRate(), 0.1);
  }

  public function testARecoveryBySeveralHostsGoesOnUntilTheLastEntryHasEnded()
  {
    $job = $this->instance->job(null);
    $this->instance->query("INSERT INTO backup_request (instance, verb, parameters, who, job, state)
        SELECT instance, 'recover', '{\"missing\": true}', 'w', $job, 'running' FROM backup_instance;
      INSERT INTO jobqueue (jq_job_fk, jq_type, jq_cmd_args, jq_end_bits)
        SELECT $job, 'backup', '--part=' || part, 0 FROM generate_series(1, 3) part");
    $state = function () {
      $recovery = $this->dao->getRecovery($this->file);
      return array($recovery['state'], $recovery['items']);
    };
    $this->assertSame(array('queued', 0), $state());
    $part = function ($number, $set) use ($job) {
      $this->instance->query("UPDATE jobqueue SET $set
        WHERE jq_job_fk = $job AND jq_cmd_args = '--part=$number'");
    };
    $part(1, 'jq_starttime = now(), jq_itemsprocessed = 4');
    $part(2, 'jq_starttime = now(), jq_itemsprocessed = 3');
    $this->assertSame(array('running', 7), $state());
    $part(1, 'jq_endtime = now(), jq_end_bits = 1');
    $part(2, 'jq_endtime = now(), jq_end_bits = 1');
    $this->assertSame(array('running', 7), $state(), 'the last one waits');
    $part(3, 'jq_starttime = now(), jq_endtime = now(), jq_end_bits = 1');
    $this->instance->query("UPDATE backup_request SET state = 'done'");
    $this->assertSame(array('done', 7), $state());

    // Not every release ends what waits for an entry that failed.
    $part(3, 'jq_starttime = NULL, jq_endtime = NULL, jq_end_bits = 0');
    $this->instance->query("UPDATE backup_request SET state = 'failed'");
    $this->assertSame(array('failed', 7), $state());
  }

  public function testAnUploadIsAsLargeAsItsFiles()
  {
    $this->assertSame(11.0, $this->dao->getUploadBytes($this->upload));
  }

  public function testARecoveryIsFollowedFromTheQueueToItsEnd()
  {
    $this->assertNull($this->dao->getRecovery($this->file));
    $jobs = new RecoveryJobs($this->instance->database);
    $entry = $jobs->ask($this->upload, 4, 2);
    $recovery = $this->dao->getRecovery($this->file);
    $this->assertSame(array($entry, 'queued'), array($recovery['entry'], $recovery['state']));

    $this->instance->query('UPDATE jobqueue SET jq_starttime = now(), jq_itemsprocessed = 7;');
    $recovery = $this->dao->getRecovery($this->file);
    $this->assertSame(array('running', 7), array($recovery['state'], $recovery['items']));

    // As the agent enters it, and the scheduler: a failed job may have been incomplete only.
    $this->instance->query("INSERT INTO backup_request (instance, verb, parameters, who, state, job, started,
        message) SELECT instance, 'recover', '{\"from\": \"any\", \"uploads\": [$this->upload]}', 'w',
        'incomplete', {$recovery['job']}, now(), 'one did not come' FROM backup_instance;
      UPDATE jobqueue SET jq_endtime = now(), jq_end_bits = 2, jq_endtext = 'Failed'");
    $recovery = $this->dao->getRecovery($this->file);
    $this->assertSame(array('incomplete', 'one did not come'),
      array($recovery['state'], $recovery['message']));
  }

  public function testOneThatSomebodyEndedHasFailed()
  {
    $jobs = new RecoveryJobs($this->instance->database);
    $jobs->ask($this->upload, 4, 2);
    $this->instance->query("UPDATE jobqueue SET jq_starttime = now(), jq_endtime = now(), jq_end_bits = 2,
      jq_endtext = 'Killed by somebody'");
    $recovery = $this->dao->getRecovery($this->file);
    $this->assertSame(array('failed', 'Killed by somebody'),
      array($recovery['state'], $recovery['message']));
  }

  /** @dataProvider requests */
  public function testARequestIsForAFileThatItNames($parameters, $isFor)
  {
    $parameters = str_replace(array('NAME', 'UPLOAD'),
      array($this->file['name'], $this->upload), $parameters);
    $job = $this->instance->job(null);
    $this->instance->query("INSERT INTO backup_request (instance, verb, parameters, who, job)
        SELECT instance, 'recover', '$parameters', 'w', $job FROM backup_instance;
      INSERT INTO jobqueue (jq_job_fk, jq_type, jq_cmd_args, jq_end_bits)
        VALUES ($job, 'backup', '--request=1', 0)");
    $this->assertSame($isFor, $this->dao->getRecovery($this->file) !== null);
  }

  public static function requests()
  {
    return array(
      'the file' => array('{"blobs": ["NAME"]}', true),
      'another file' => array('{"blobs": ["x"]}', false),
      'its upload, among others' => array('{"uploads": [999, UPLOAD]}', true),
      'another upload' => array('{"uploads": [999]}', false),
      'all that is missing' => array('{"missing": true}', true));
  }

  public function testTheRequestsOfPagesAreFound()
  {
    $queue = new RequestQueue($this->instance->database, $this->instance->sysConf(),
      "{$this->instance->folder}/etc");
    $asked = $queue->ask(Work::recoverBlobs(array($this->file['name'])), 4, 2);
    $this->assertSame($asked['job'], $this->dao->getRecovery($this->file)['job']);
  }
}
