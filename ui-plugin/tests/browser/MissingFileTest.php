<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use PHPUnit\Framework\TestCase;

/**
 * @class MissingFileTest
 * @brief The way of a missing file back to who wants to see it, in a real Chromium
 */
class MissingFileTest extends TestCase
{
  const CONTENT = 'int main(void);';
  /** @var Site */
  private static $site;
  /** @var Browser */
  private static $browser;

  public static function setUpBeforeClass(): void
  {
    if (!Browser::isThere()) {
      self::markTestSkipped('chromium and chromium-driver are not installed');
    }
    self::$site = new Site();
    self::$browser = new Browser();
    $sha1 = strtoupper(sha1(self::CONTENT));
    $md5 = strtoupper(md5(self::CONTENT));
    $size = strlen(self::CONTENT);
    self::$site->manager->queryOnce("
      INSERT INTO pfile (pfile_pk, pfile_sha1, pfile_md5, pfile_size) VALUES (8, '$sha1', '$md5', $size);
      INSERT INTO upload (upload_pk, upload_filename, upload_mode, user_fk, upload_ts)
        VALUES (2, 'a.tar', 104, 3, now());
      INSERT INTO uploadtree_a (uploadtree_pk, upload_fk, ufile_name, pfile_fk, ufile_mode, lft, rgt)
        VALUES (9, 2, 'main.c', 8, 33188, 1, 2);
      INSERT INTO backup_blob_state (pfile_pk, kind, why) VALUES (8, 'pruned', 'old')");
  }

  public static function tearDownAfterClass(): void
  {
    self::$browser = null;
    self::$site = null;
  }

  private function open($user)
  {
    self::$browser->open(self::$site->url . "?login=$user");
    self::$browser->open(self::$site->url . '?mod=backup_recover&upload=2&item=9');
  }

  public function testWhoMayOnlyReadSeesWhatHappenedAndWhomToAsk()
  {
    $this->open('reader');
    $this->assertStringContainsString('(policy old)', self::$browser->text('section'));
    $this->assertStringContainsString('ask fossy', self::$browser->text('section'));
    $this->assertSame(array(), self::$browser->all('button'));
  }

  public function testAClickBringsTheFileBackAndThePageTellsItByItself()
  {
    $this->open('writer');
    self::$browser->click('button[value=file]');
    self::$browser->wait('[role=status]', 'waits in the queue');
    self::$site->manager->queryOnce('UPDATE jobqueue SET jq_starttime = now(), jq_itemsprocessed = 3');
    self::$browser->wait('[role=status]', '3 files done');

    // What the agent does.
    $name = sha1(self::CONTENT) . '.' . md5(self::CONTENT) . '.' . strlen(self::CONTENT);
    $folder = self::$site->folder . '/repository/localhost/files/' .
      implode('/', str_split(substr($name, 0, 6), 2));
    mkdir($folder, 0755, true);
    file_put_contents("$folder/$name", self::CONTENT);
    self::$browser->wait('[role=status]', 'main.c is there again');
    $this->assertStringContainsString('mod=view&upload=2&item=9',
      self::$browser->attribute('a.btn', 'href'));
  }
}
