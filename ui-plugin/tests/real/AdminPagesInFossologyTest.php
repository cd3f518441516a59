<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Lib\Db\DbManager;
use PHPUnit\Framework\TestCase;

/**
 * @class AdminPagesInFossologyTest
 * @brief The same clicks in a real FOSSology whose scheduler runs and which has the module and a vault
 *
 * Not among the tests that run by themselves. FO_REAL_URL names its index.php, FO_REAL_DB its database; it
 * gets the users 'writer' and 'reader', whose passwords are their names. FO_REAL_USER and
 * FO_REAL_PASSWORD are an administrator, by default fossy and fossy. It really backs up.
 */
class AdminPagesInFossologyTest extends TestCase
{
  /** @var Browser */
  private static $browser;
  /** @var DbManager */
  private static $manager;

  public static function setUpBeforeClass(): void
  {
    if (!getenv('FO_REAL_URL') || !getenv('FO_REAL_DB')) {
      self::markTestSkipped('FO_REAL_URL and FO_REAL_DB name no FOSSology');
    }
    self::$manager = new DbManager(pg_connect(getenv('FO_REAL_DB')));
    foreach (array('writer' => 3, 'reader' => 1) as $user => $level) {
      self::$manager->getRows('INSERT INTO groups (group_name) SELECT $1::text
        WHERE NOT EXISTS (SELECT 1 FROM groups WHERE group_name = $1::text)', array($user), 'group');
      self::$manager->getRows("INSERT INTO users (user_name, user_pass, user_perm, root_folder_fk,
          default_folder_fk, group_fk, user_status)
        SELECT $1::text, $2::text, $3::int, 1, 1, group_pk, 'active' FROM groups
         WHERE group_name = $1::text AND NOT EXISTS (SELECT 1 FROM users WHERE user_name = $1::text)",
        array($user, password_hash($user, PASSWORD_DEFAULT), $level), 'user');
      self::$manager->getRows('INSERT INTO group_user_member (group_fk, user_fk, group_perm)
        SELECT group_fk, user_pk, 1 FROM users WHERE user_name = $1::text AND NOT EXISTS
          (SELECT 1 FROM group_user_member WHERE user_fk = user_pk)', array($user), 'member');
    }
    self::$browser = new Browser();
  }

  public static function tearDownAfterClass(): void
  {
    self::$browser = null;
  }

  private function login($user, $password)
  {
    $url = getenv('FO_REAL_URL');
    self::$browser->open("$url?mod=auth");
    // Who is logged in is logged out by it.
    self::$browser->open("$url?mod=auth");
    self::$browser->type('input[name=username]', $user);
    self::$browser->type('input[name=password]', $password);
    self::$browser->run("document.querySelector('input[name=password]').form.submit()");
    self::$browser->wait('body', 'logout');
  }

  private function open($query)
  {
    self::$browser->open(getenv('FO_REAL_URL') . "?$query");
  }

  private function picture($name)
  {
    if (getenv('FO_REAL_PICTURES')) {
      self::$browser->shoot(getenv('FO_REAL_PICTURES') . "/$name.png");
    }
  }

  private function administrator()
  {
    $this->login(getenv('FO_REAL_USER') ?: 'fossy', getenv('FO_REAL_PASSWORD') ?: 'fossy');
  }

  /** Waits until the scheduler has done all that was asked for, seen on the page itself */
  private function waitForTheEnd()
  {
    for ($tries = 0; $tries < 12; $tries++) {
      try {
        self::$browser->waitUntilGone('#backup-open');
        return;
      } catch (\Exception $atWork) {
        $this->addToAssertionCount(1);
      }
    }
    $this->fail('it is still at work');
  }

  public function testAnAdministratorBacksUpAndChecks()
  {
    $this->administrator();
    $this->open('mod=browse');
    $this->assertNotEmpty(self::$browser->all('a[href*="mod=backup"]'), 'the menu has it');
    $this->open('mod=backup');
    self::$browser->click('#backup-now');
    self::$browser->wait('#dmessage', 'Request ');
    $this->picture('1-asked');
    $this->waitForTheEnd();
    $this->picture('2-backed-up');
    $this->assertMatchesRegularExpression('/^(done|incomplete)/',
      self::$browser->text('#backup-list tbody tr .badge'));

    self::$browser->click('#check-now');
    self::$browser->wait('#dmessage', 'Request ');
    $this->waitForTheEnd();
    $this->open('mod=backup_findings');
    self::$browser->wait('.backup-page', 'Last check of everything: just now');
    $this->picture('3-checked');
    $request = self::$manager->getSingleRow("SELECT who, state FROM backup_request WHERE verb = 'check'
      ORDER BY id DESC LIMIT 1", array(), 'request');
    $this->assertContains($request['state'], array('done', 'incomplete'));
  }

  public function testAnAdministratorRehearsesPruning()
  {
    $this->administrator();
    $this->open('mod=backup_prune');
    self::$browser->type('#policy', 'gold-only');
    self::$browser->click('#prune-rehearse');
    self::$browser->wait('#dmessage', 'Request ');
    $this->waitForTheEnd();
    $this->open('mod=backup_prune');
    self::$browser->wait('h5', 'What would go: policy gold-only');
    $this->assertNotEmpty(self::$browser->texts('#prune-policy li'));
    $this->picture('4-rehearsed');
    self::$browser->type('#typed', 'yes');
    self::$browser->click('#prune-now');
    self::$browser->wait('#dmessage', 'Nothing was removed');
  }

  public function testOthersHaveNoneOfIt()
  {
    foreach (array('writer', 'reader') as $user) {
      $this->login($user, $user);
      $this->assertSame(array(), self::$browser->all('a[href*="mod=backup"]'), "the menu of $user");
      foreach (array('backup', 'backup_status', 'backup_findings', 'backup_prune') as $page) {
        $this->open("mod=$page");
        $this->assertStringContainsString('Module unavailable', self::$browser->text('body'),
          "$page as $user");
      }
      $this->picture("5-$user");
    }
  }
}
