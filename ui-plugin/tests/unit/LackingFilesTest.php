<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\LackingFiles;
use Fossology\Backup\UI\RepositoryFiles;
use PHPUnit\Framework\TestCase;

/** On a real PostgreSQL and a repository in a folder */
class LackingFilesTest extends TestCase
{
  /** So few, since each file that is there has to be made */
  const SOME = 20;
  private $instance;
  private $upload;
  private $gold;

  protected function setUp(): void
  {
    $this->instance = new Instance();
    list($this->gold) = $this->instance->blob('gold', array('gold', 'files'));
    $this->upload = $this->instance->upload('a.tar', $this->gold);
  }

  protected function tearDown(): void
  {
    $this->instance->remove();
  }

  private function lacks()
  {
    $files = new RepositoryFiles($this->instance->sysConf());
    $lacking = new LackingFiles($this->instance->database, $files, self::SOME);
    return $lacking->lacks($this->upload);
  }

  private function add($content, array $trees, $name = 'x.c', $mode = 0100644)
  {
    list($pfile) = $this->instance->blob($content, $trees);
    $this->instance->item($this->upload, $name, $pfile, $mode);
    return $pfile;
  }

  public function testAnUploadWithAllItsFilesLacksNone()
  {
    $this->add('a', array('files'));
    $this->assertFalse($this->lacks());
    $this->add('b', array());
    $this->assertTrue($this->lacks());
  }

  public function testWhatNoArchiveGivesIsNotWaitedFor()
  {
    $never = $this->add('never', array());
    $this->instance->query(
      "INSERT INTO backup_blob_state (pfile_pk, kind) VALUES ($never, 'not_reproducible')");
    $note = $this->add('note', array(), 'artifact.meta', 0100644 | 1 << 28);
    $this->instance->query("INSERT INTO backup_finding (kind, pfile_fk, upload_fk) VALUES
      ('missing', $never, $this->upload), ('missing', $note, $this->upload)");
    $this->assertFalse($this->lacks());
  }

  public function testFilesOnTheirWayAreNotMissing()
  {
    $this->add('b', array());
    $job = $this->instance->job($this->upload);
    $this->instance->query(
      "INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits) VALUES ($job, 'ununpack', 0)");
    $this->assertFalse($this->lacks());
    $this->instance->query('UPDATE jobqueue SET jq_endtime = now(), jq_end_bits = 1');
    $this->assertTrue($this->lacks());
  }

  public function testARepositoryThatIsNotMountedHereSaysNothing()
  {
    $this->add('b', array());
    rename("{$this->instance->folder}/repository", "{$this->instance->folder}/elsewhere");
    $this->assertFalse($this->lacks());
  }

  /** More files than are looked at, of which this many are missing; a table may know of one */
  private function large($missing)
  {
    $many = 3 * self::SOME;
    $this->instance->query("INSERT INTO pfile (pfile_pk, pfile_sha1, pfile_md5, pfile_size)
      SELECT 100000 + n, upper(encode(sha256(n::text::bytea), 'hex'))::char(40), upper(md5(n::text)), 1
        FROM generate_series(1, $many) n;
      INSERT INTO uploadtree_a (uploadtree_pk, upload_fk, ufile_name, pfile_fk, ufile_mode, lft, rgt)
      SELECT 100000 + n, $this->upload, 'x', 100000 + n, 33188, 1, 2 FROM generate_series(1, $many) n");
    $rows = $this->instance->database->getRows("SELECT lower(pfile_sha1 || '.' || pfile_md5 || '.1') AS name
      FROM pfile WHERE pfile_pk > 100000 + $1 ORDER BY pfile_pk", array($missing), 'test.names');
    foreach ($rows as $row) {
      $place = $this->instance->place('files', $row['name']);
      @mkdir(dirname($place), 0755, true);
      file_put_contents($place, 'x');
    }
  }

  public function testOfALargeUploadFilesFromAllOverAreLookedAt()
  {
    $this->large(5);
    $this->assertTrue($this->lacks());
  }

  public function testASingleFileAmongManyIsFoundWhereATableKnowsOfIt()
  {
    $this->large(1);
    $this->assertFalse($this->lacks(), 'if it is found anyway, this test shows nothing');
    $this->instance->query("INSERT INTO backup_blob_state (pfile_pk, kind) VALUES (100001, 'pruned')");
    $this->assertTrue($this->lacks());
    $this->instance->query('DELETE FROM backup_blob_state');
    $this->assertFalse($this->lacks());
    $this->instance->query("INSERT INTO backup_finding (kind, pfile_fk, upload_fk)
      VALUES ('missing', 100001, $this->upload)");
    $this->assertTrue($this->lacks());
  }

  public function testWhatATableCallsMissingAndIsBackAgainIsNotMissing()
  {
    $pfile = $this->add('a', array('files'));
    $this->instance->query("INSERT INTO backup_finding (kind, pfile_fk, upload_fk)
      VALUES ('missing', $pfile, $this->upload)");
    $this->assertFalse($this->lacks());
  }
}
