<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\Hooks;
use Fossology\Backup\UI\RecoverFirst;
use Fossology\Backup\UI\Replaced;
use PHPUnit\Framework\TestCase;

/** What FOSSology does with its plugins, on stand-ins of those that are replaced */
class HooksTest extends TestCase
{
  private $instance;

  protected function setUp(): void
  {
    $this->instance = new Instance();
    $this->instance->logIn(10);
    \Adj2nestAgentPlugin::$gives = 0;
    $this->forget();
  }

  /** What was found is remembered for as long as a page takes */
  private function forget()
  {
    $here = new \ReflectionProperty(RecoverFirst::class, 'here');
    $here->setAccessible(true);
    $here->setValue(null, null);
  }

  protected function tearDown(): void
  {
    $this->instance->remove();
  }

  private function enter()
  {
    $hooks = new Hooks();
    register_plugin($hooks);
    $hooks->preInstall();
  }

  private function all()
  {
    new \ui_reunpack();
    new \ui_download();
    register_plugin(new \Adj2nestAgentPlugin());
    register_plugin(new \MonkBulkAgentPlugin());
    register_plugin(new \ScannerAgentPlugin());
    register_plugin(new \ReportAgentPlugin());
    register_plugin(new \Fossology\Reuser\ReuserAgentPlugin());
  }

  public function testOursTakeTheirPlaces()
  {
    $this->all();
    $this->enter();
    $this->assertInstanceOf(Replaced\Reunpack::class, plugin_find('ui_reunpack'));
    $this->assertInstanceOf(Replaced\Download::class, plugin_find('download'));
    $this->assertInstanceOf(Replaced\Adj2nest::class, plugin_find('agent_adj2nest'));
    $this->assertInstanceOf(Replaced\MonkBulk::class, plugin_find('agent_monk_bulk'));
    $this->assertInstanceOf(Replaced\Reuser::class, plugin_find('agent_reuser'));
    $this->assertTrue(plugin_find('ui_reunpack')->installed, 'an old one is not ready without that');
    $this->assertSame(array(), $this->instance->logged);
  }

  public function testThePromptIsThereForReadersFromWhomFossologyTakesIts()
  {
    $this->all();
    unset($GLOBALS['Plugins']['ui_reunpack'], $GLOBALS['Plugins']['download']);
    $this->enter();
    $this->assertSame(PLUGIN_DB_READ, plugin_find('ui_reunpack')->DBaccess);
    $this->assertNull(plugin_find('download'), 'who may not download still may not');
  }

  public function testWhereNothingCanBeReplacedNothingIs()
  {
    $this->enter();
    // The class is there in this test, so is the prompt; the others were not there at all.
    $this->assertSame(array('backup_hooks', 'ui_reunpack'), array_keys($GLOBALS['Plugins']));
  }

  public function testWhatAnotherModuleHasReplacedStaysAsItIs()
  {
    $theirs = new class extends \ui_download {
    };
    $this->enter();
    $this->assertSame($theirs, plugin_find('download'));
  }

  public function testNothingOfFossologysOwnReunpackCanBeReached()
  {
    $this->all();
    $this->enter();
    $prompt = plugin_find('ui_reunpack');
    $this->assertSame(0, $prompt->CheckStatus(2, 'reunpack', 'ununpack'));
    $this->assertNotEmpty($prompt->AgentAdd(2), 'a word of refusal');
    $_POST = array('uploadunpack' => '2');
    $prompt->Output();
    $this->assertSame('0', $this->instance->one('SELECT count(*) FROM jobqueue'));
  }

  public function testADownloadOfAMissingFileSaysWhyInFossologysFrame()
  {
    $this->all();
    $this->enter();
    list($gold) = $this->instance->blob('gold', array('gold'));
    $item = $this->instance->item($this->instance->upload('a.tar', $gold), 'x.c',
      $this->instance->blob('x', array())[0]);
    try {
      plugin_find('download')->CheckRestore($item, '/a/path');
      $this->fail('it came back');
    } catch (\Exception $shown) {
      $this->assertStringContainsString('The content of x.c is not here now', $shown->getMessage());
      $this->assertStringNotContainsString('/a/path', $shown->getMessage());
    }
  }

  /** An upload that lacks a file; gives its number and that of a job of it */
  private function lacking()
  {
    $this->all();
    $this->enter();
    list($gold) = $this->instance->blob('gold', array('gold', 'files'));
    $upload = $this->instance->upload('a.tar', $gold);
    $this->instance->item($upload, 'x.c', $this->instance->blob('x', array())[0]);
    return array($upload, $this->instance->job($upload));
  }

  private function waitsFor($entry)
  {
    return $this->instance->database->getRows('SELECT jq_type, jq_args FROM jobdepends
      JOIN jobqueue ON jq_pk = jdep_jq_depends_fk WHERE jdep_jq_fk = $1 ORDER BY jq_pk', array($entry),
      'test.waits');
  }

  public function testAScanOfAnUploadThatLacksFilesWaitsForTheirRecovery()
  {
    list($upload, $job) = $this->lacking();
    $error = '';
    $scan = plugin_find('agent_scanner')->AgentAdd($job, $upload, $error);
    $recovery = array('jq_type' => 'backup', 'jq_args' => (string)$upload);
    $this->assertSame(array($recovery), $this->waitsFor($scan));
    $bulk = plugin_find('agent_monk_bulk')->AgentAdd($job, $upload, $error, array(), 'bulk');
    $this->assertSame(array($recovery), $this->waitsFor($bulk));
    $this->assertSame('1', $this->instance->one("SELECT count(*) FROM jobqueue WHERE jq_type = 'backup'"));
  }

  public function testAReportIsWrittenWithoutTheFiles()
  {
    list($upload, $job) = $this->lacking();
    $error = '';
    $report = plugin_find('agent_spdx2')->AgentAdd($job, $upload, $error);
    $this->assertSame(array(), $this->waitsFor($report), 'what was pruned stays pruned');
    $scan = plugin_find('agent_scanner')->AgentAdd($job, $upload, $error);
    $this->assertCount(1, $this->waitsFor($scan));
  }

  public function testTheCommandLineLetsTheSameAgentsBe()
  {
    $guard = file_get_contents(dirname(__DIR__, 3) . '/agent/fossology/guard.rs');
    foreach (Replaced\Adj2nest::READ_NO_FILES as $agent) {
      $this->assertStringContainsString("\"$agent\"", $guard);
    }
  }

  /** Where decisions are taken from another upload, its files may be compared with this one's */
  public function testAReuseThatComparesFilesWaitsForThoseOfTheOtherUploadToo()
  {
    list($other) = $this->lacking();
    list($gold) = $this->instance->blob('whole', array('gold', 'files'));
    $upload = $this->instance->upload('b.tar', $gold);
    $job = $this->instance->job($upload);
    $reuse = function ($mode) use ($upload, $other, $job) {
      $this->instance->query("DELETE FROM upload_reuse; INSERT INTO upload_reuse (upload_fk,
        reused_upload_fk, group_fk, reused_group_fk, reuse_mode) VALUES ($upload, $other, 2, 2, $mode)");
      $error = '';
      return plugin_find('agent_reuser')->scheduleAgent($job, $upload, $error, null);
    };
    $this->assertSame(array(), $this->waitsFor($reuse(4)), 'no file is read');
    $recovery = array('jq_type' => 'backup', 'jq_args' => (string)$other);
    $this->assertSame(array($recovery), $this->waitsFor($reuse(4 | 2)));
    $this->assertSame((string)$other, $this->instance->one("SELECT job_upload_fk FROM jobqueue
      JOIN job ON job_pk = jq_job_fk WHERE jq_type = 'backup'"), 'it is in the list of its own upload');
    $this->instance->query("DELETE FROM uploadtree WHERE ufile_name = 'x.c'");
    $this->forget();
    $this->instance->query('DELETE FROM jobqueue');
    $this->assertSame(array(), $this->waitsFor($reuse(4 | 2)), 'all files are there');
  }

  public function testTheRecoveryComesAfterWhatTheScanWouldHaveWaitedFor()
  {
    list($upload, $job) = $this->lacking();
    $this->instance->query("INSERT INTO jobqueue (jq_pk, jq_job_fk, jq_type, jq_args, jq_end_bits)
      VALUES (7, $job, 'adj2nest', '$upload', 0)");
    \Adj2nestAgentPlugin::$gives = 7;
    $error = '';
    $recovery = plugin_find('agent_adj2nest')->AgentAdd($job, $upload, $error);
    $this->assertSame(array(array('jq_type' => 'adj2nest', 'jq_args' => (string)$upload)),
      $this->waitsFor($recovery));
  }

  /** @dataProvider nothing */
  public function testWithoutNeedOrWithoutUsAScanIsQueuedAsEver($sql)
  {
    list($upload, $job) = $this->lacking();
    if ($sql === null) {
      rmdir("{$this->instance->folder}/etc/mods-enabled/backup");
    } else {
      $this->instance->query($sql);
    }
    $error = '';
    $scan = plugin_find('agent_scanner')->AgentAdd($job, $upload, $error);
    $this->assertGreaterThan(0, $scan);
    $this->assertSame(array(), $this->waitsFor($scan));
  }

  public static function nothing()
  {
    return array(
      'nothing is missing' => array("DELETE FROM uploadtree WHERE ufile_name = 'x.c'"),
      'our agent is not installed' => array(null),
      'our tables are not there' => array('DROP TABLE backup_instance'),
      'half of our tables is there' => array('DROP TABLE backup_blob_state'));
  }

  public function testWhatFossologyRefusesStaysRefused()
  {
    list($upload, $job) = $this->lacking();
    \Adj2nestAgentPlugin::$gives = -1;
    $error = '';
    $this->assertSame(-1, plugin_find('agent_adj2nest')->AgentAdd($job, $upload, $error));
    $this->assertSame('0', $this->instance->one('SELECT count(*) FROM jobqueue'));
  }
}
