<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\Hooks;
use Fossology\Backup\UI\RecoverAgent;
use PHPUnit\Framework\TestCase;

class RecoverAgentTest extends TestCase
{
  private $instance;
  private $upload;
  private $job;

  protected function setUp(): void
  {
    $this->instance = new Instance();
    list($gold) = $this->instance->blob('gold', array('gold'));
    $this->upload = $this->instance->upload('a.tar', $gold);
    $this->job = $this->instance->job($this->upload);
    $this->instance->editable = array($this->upload);
    \Adj2nestAgentPlugin::$gives = 0;
    register_plugin(new \Adj2nestAgentPlugin());
    (new Hooks())->preInstall();
  }

  protected function tearDown(): void
  {
    $this->instance->remove();
  }

  private function add()
  {
    $error = '';
    $agent = new RecoverAgent();
    return array($agent->AgentAdd($this->job, $this->upload, $error), $error);
  }

  public function testItIsAmongTheAgentsOfAnUpload()
  {
    (new RecoverAgent())->preInstall();
    $this->assertSame('agent_backup', $GLOBALS['standin']['menus']['Agents::Recover missing files']);
  }

  public function testItPutsARecoveryIntoTheJob()
  {
    $this->instance->logIn(3);
    list($entry) = $this->add();
    $row = $this->instance->database->getSingleRow('SELECT jq_job_fk, jq_type, jq_args FROM jobqueue
      WHERE jq_pk = $1', array($entry), 'test');
    $this->assertSame(array('jq_job_fk' => (string)$this->job, 'jq_type' => 'backup',
      'jq_args' => (string)$this->upload), $row);
    $this->assertSame(array($entry, ''), $this->add(), 'chosen twice, it is there once');
  }

  public function testItWaitsForTheUploadsUnpackingAndForNoSecondRecovery()
  {
    $this->instance->logIn(3);
    $this->instance->query("INSERT INTO jobqueue (jq_pk, jq_job_fk, jq_type, jq_args, jq_end_bits)
      VALUES (7, $this->job, 'adj2nest', '$this->upload', 0)");
    \Adj2nestAgentPlugin::$gives = 7;
    list($entry) = $this->add();
    $this->assertSame('7', $this->instance->one(
      'SELECT jdep_jq_depends_fk FROM jobdepends WHERE jdep_jq_fk = $1', array($entry)));
    $this->assertSame('2', $this->instance->one('SELECT count(*) FROM jobqueue'));
  }

  public function testWhoMayNotChangeTheUploadIsRefused()
  {
    foreach (array(array(1, array($this->upload)), array(3, array())) as list($level, $editable)) {
      $this->instance->logIn($level);
      $this->instance->editable = $editable;
      list($entry, $error) = $this->add();
      $this->assertSame(-1, $entry);
      $this->assertNotSame('', $error);
    }
    $this->assertSame('0', $this->instance->one('SELECT count(*) FROM jobqueue'));
  }

  public function testOnTheCommandLineTheUsersLevelIsAskedFor()
  {
    // There FOSSology takes no plugin away, and has no session.
    foreach (array(5 => -1, 4 => 1, 3 => 1) as $user => $sign) {
      $this->instance->logIn(0, $user);
      unset($_SESSION['UserLevel']);
      list($entry) = $this->add();
      $this->assertSame($sign, $entry <=> 0, "user $user");
    }
  }
}
