<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\BackupDao;
use PHPUnit\Framework\TestCase;

/**
 * @class AdminPagesTest
 * @brief What people do with the administrators' pages, in a real Chromium
 */
class AdminPagesTest extends TestCase
{
  /** @var Site */
  private static $site;
  /** @var Browser */
  private static $browser;
  /** @var int How long the log was before */
  private $logged;

  public static function setUpBeforeClass(): void
  {
    if (!Browser::isThere()) {
      self::markTestSkipped('chromium and chromium-driver are not installed');
    }
    self::$site = new Site();
    self::$browser = new Browser();
  }

  public static function tearDownAfterClass(): void
  {
    self::$browser = null;
    self::$site = null;
  }

  protected function setUp(): void
  {
    self::$site->manager->queryOnce('
      TRUNCATE backup_run, backup_request, backup_finding, job, jobqueue CASCADE;
      DELETE FROM uploadtree; DELETE FROM upload; DELETE FROM pfile');
    self::$site->tellVerbs(array('backup', 'check', 'verify', 'recover'));
    $this->logged = filesize(self::$site->log);
    $this->open('?login=fossy');
  }

  protected function tearDown(): void
  {
    // What PHP has to say of our pages' code would be an error on somebody's screen.
    $this->assertDoesNotMatchRegularExpression('/PHP (Warning|Notice|Deprecated|Fatal|Parse)/',
      substr((string)file_get_contents(self::$site->log), $this->logged));
  }

  private function open($query)
  {
    self::$browser->open(self::$site->url . $query);
  }

  private function sql($statement)
  {
    self::$site->manager->queryOnce($statement);
  }

  private function row($statement)
  {
    return self::$site->manager->getSingleRow($statement, array(), $statement);
  }

  /** What the scheduler and the agent do with the newest request */
  private function start($progress)
  {
    $this->sql("UPDATE backup_request SET state = 'running', started = now(), host = 'vm',
        counts = '{\"progress\": {\"vm\": $progress}}';
      UPDATE jobqueue SET jq_starttime = now()");
  }

  private function end($state, $message)
  {
    $this->sql("UPDATE backup_request SET state = '$state', ended = now(), counts = '{}',
      message = '$message'; UPDATE jobqueue SET jq_endtime = now(), jq_end_bits = 1");
  }

  public function testANewInstanceSaysThatNothingCanBeRestored()
  {
    $this->open('?mod=backup');
    $this->assertStringContainsString('wrong', self::$browser->text('#backup-headline'));
    $this->assertStringContainsString('nothing can be restored', self::$browser->text('.health'));
    $this->assertSame(array(), self::$browser->all('#backup-list'));
  }

  public function testABackupIsAskedForWatchedAndSeenInTheList()
  {
    $this->open('?mod=backup');
    self::$browser->click('#mode-gold');
    self::$browser->click('#backup-now');
    self::$browser->wait('#dmessage', 'job ');
    $this->assertSame(array('verb' => 'backup', 'parameters' => '{"mode": "gold"}', 'who' => 'fossy'),
      $this->row('SELECT verb, parameters, who FROM backup_request'));
    $this->assertStringContainsString('waiting for the scheduler', self::$browser->text('#backup-open'));

    // Pressed once more, nothing more is asked for.
    self::$browser->click('#mode-gold');
    self::$browser->click('#backup-now');
    self::$browser->wait('#dmessage', 'asked for already');
    $this->assertSame('1', $this->row('SELECT count(*) AS jobs FROM job')['jobs']);

    // The page follows by itself: the bar moves, then the list shows the snapshot.
    $this->start('{"step": "packing", "done": 30, "of": 120}');
    self::$browser->wait('#backup-open .words', '30 of 120');
    $this->assertSame('25', self::$browser->attribute('#backup-open .progress', 'aria-valuenow'));
    $this->start('{"step": "packing", "done": 90, "of": 120}');
    self::$browser->wait('#backup-open .progress-bar', '75 %');
    History::backups(self::$site->manager, 1);
    $this->end('done', 'snapshot made');
    self::$browser->waitUntilGone('#backup-open');
    $this->assertStringContainsString('done', self::$browser->text('#backup-list'));
    $this->assertSame('1', $this->row('SELECT count(*) AS jobs FROM job')['jobs'], 'no form was sent again');
    $this->assertStringContainsString('good', self::$browser->text('.health'));
  }

  public function testWithoutJavaScriptTheSameIsReached()
  {
    $browser = new Browser(1000, 800, false);
    $browser->open(self::$site->url . '?login=fossy');
    $browser->open(self::$site->url . '?mod=backup');
    $browser->click('#check-deep');
    $browser->click('#check-now');
    $browser->wait('#dmessage', 'job ');
    $this->assertSame('{"deep": true, "uploads": []}',
      $this->row('SELECT parameters FROM backup_request')['parameters']);
    $this->assertStringContainsString('mod=backup', $browser->attribute('noscript meta', 'content'));
  }

  public function testALongHistoryIsPagedAndDrawn()
  {
    History::backups(self::$site->manager, 40);
    History::run(self::$site->manager, 'verify', 'done', 30);
    $this->open('?mod=backup');
    $this->assertCount(15, self::$browser->all('#backup-list tbody tr'));
    $titles = self::$browser->run(
      'return [...document.querySelectorAll("figure svg > title")].map(title => title.textContent)');
    $this->assertCount(4, $titles);
    $this->assertSame(4, count(self::$browser->all('figure svg > desc')));
    $this->assertGreaterThan(30, count(self::$browser->all('figure:nth-of-type(2) rect')));
    // For who does not see it, the same numbers.
    self::$browser->click('figure:nth-of-type(2) summary');
    $this->assertCount(40, self::$browser->all('figure:nth-of-type(2) tbody tr'));
    self::$browser->click('a[href*="before="]');
    self::$browser->wait('a[href$="mod=backup"]', 'newest');
    $this->assertCount(15, self::$browser->all('#backup-list tbody tr'));
  }

  public function testButtonsAreThereForWhatTheProgramKnows()
  {
    $this->open('?mod=backup');
    $this->assertSame(array(), self::$browser->all('#drill-now, #expire-now, a[href*=prune]'));
    self::$site->tellVerbs(array('backup', 'drill', 'expire', 'prune'));
    $this->open('?mod=backup');
    $this->assertCount(3, self::$browser->all('#drill-now, #expire-now, a[href*=prune]'));
    self::$browser->click('#expire-now');
    self::$browser->wait('#dmessage', 'job ');
    // Unless somebody says otherwise, nothing goes.
    $this->assertSame('{"dry_run": true}', $this->row('SELECT parameters FROM backup_request')['parameters']);
  }

  public function testASnapshotTellsHowItIsRestored()
  {
    History::backups(self::$site->manager, 1);
    $snapshot = $this->row('SELECT snapshot FROM backup_run')['snapshot'];
    $this->open('?mod=backup');
    self::$browser->click('a[href*="snapshot="]');
    $commands = self::$browser->text('#restore-commands');
    $this->assertMatchesRegularExpression(
      "#^sudo -u fossy fo_backup -c \\S+ restore $snapshot\$#m", $commands);
    $this->open('?mod=backup&snapshot=<script>alert(1)</script>');
    $this->assertStringContainsString('does not know that snapshot', self::$browser->text('body'));
  }

  public function testWhatRetentionRemovedIsNotOfferedAndWhatItRenamedIsCalledAsItIs()
  {
    History::backups(self::$site->manager, 3);
    $name = function ($offset) {
      return $this->row("SELECT snapshot FROM backup_run WHERE verb = 'backup' ORDER BY id OFFSET $offset")
        ['snapshot'];
    };
    History::run(self::$site->manager, 'expire', 'done', 0, array('gone' => array($name(0)),
      'renamed' => array(array('from' => $name(1), 'to' => '20260101T000000Z-new'))));
    $this->open('?mod=backup');
    $this->assertCount(2, self::$browser->all('#backup-list a[href*="snapshot="]'));
    $this->assertStringContainsString('no longer kept', self::$browser->text('#backup-list'));
    $this->open('?mod=backup&snapshot=' . $name(1));
    $this->assertStringContainsString('restore 20260101T000000Z-new',
      self::$browser->text('#restore-commands'));
    $this->open('?mod=backup&snapshot=' . $name(0));
    $this->assertStringContainsString('has removed', self::$browser->text('body'));
  }

  public function testWhatWentWrongIsOnTop()
  {
    History::backups(self::$site->manager, 3);
    $this->sql("UPDATE backup_run SET started = started - interval '3 days',
        ended = ended - interval '3 days';
      INSERT INTO backup_run (verb, mode, host, who, state, ended, message)
        VALUES ('backup', 'full', 'h', 'fossy', 'failed', now(), '<b>the disk</b> is full')");
    $this->open('?mod=backup');
    $this->assertStringContainsString('wrong', self::$browser->text('#backup-headline'));
    $health = self::$browser->text('.health');
    $this->assertStringContainsString('<b>the disk</b> is full', $health);
    $this->assertStringContainsString('late', $health);
  }

  public function testFindingsAreFilteredPagedAndRecovered()
  {
    History::losses(self::$site->manager, 120);
    $this->open('?mod=backup');
    self::$browser->click('a[href*="backup_findings"]');
    $this->assertStringContainsString('120 to be unpacked from gold',
      self::$browser->text('#finding-kinds'));
    $this->assertStringContainsString('busy<b>box.tar.gz', self::$browser->text('#finding-uploads'));
    $this->assertCount(50, self::$browser->all('#finding-list tbody tr'));
    self::$browser->click('#finding-next');
    self::$browser->click('#finding-next');
    self::$browser->wait('#finding-list', '<script>alert(1)</script>');
    $this->assertCount(21, self::$browser->all('#finding-list tbody tr'));

    self::$browser->click('#finding-kinds a[href*="kind=debris"]');
    self::$browser->wait('h5', 'left over');
    $this->assertCount(1, self::$browser->all('#finding-list tbody tr'));

    $this->open('?mod=backup_findings&upload=1');
    $this->assertStringContainsString('mod=view&upload=1&item=',
      self::$browser->attribute('#finding-list td.path a', 'href'));
    self::$browser->click('#recover-upload');
    self::$browser->wait('#dmessage', 'job ');
    $this->assertSame('{"uploads": [1]}', $this->row('SELECT parameters FROM backup_request')['parameters']);
  }

  public function testSingleFilesAreRecovered()
  {
    History::losses(self::$site->manager, 3);
    $this->open('?mod=backup_findings&kind=missing');
    self::$browser->click('#finding-list tbody tr:nth-of-type(2) input');
    self::$browser->click('#recover-chosen');
    self::$browser->wait('#dmessage', 'job ');
    $this->assertSame('{"blobs": ["' . sprintf('%040x.%032x.2', 2, 2) . '"]}',
      $this->row('SELECT parameters FROM backup_request')['parameters']);
  }

  /** What the program leaves when it has planned */
  private function plan($mode, $policy)
  {
    $amount = array('blobs' => 1234, 'bytes' => 5000000);
    History::run(self::$site->manager, 'prune', 'done', 1, array('policy' => $policy,
      'words' => array('drops <all> that is no source', 'keeps the newest 2 uploads'),
      'files' => array('blobs' => 9999, 'bytes' => 90000000), 'drop' => $amount, 'proven' => $amount,
      'removed' => $amount, 'rules' => array(array('rule' => 'a', 'words' => 'no source goes',
        'drop' => $amount, 'proven' => $amount, 'share' => 0.25))), $mode);
    $this->sql("INSERT INTO backup_prune_upload VALUES (1, (SELECT max(id) FROM backup_run), NULL, 9, 900, 9,
      900, 2, 20, 5, 500, 5, 500, 'gold', 33) ON CONFLICT (upload_fk) DO UPDATE SET run = excluded.run");
  }

  public function testOnlyWhatWasSeenIsPrunedAndOnlyByTyping()
  {
    self::$site->tellVerbs(array('backup', 'prune'));
    if (!(new BackupDao(self::$site->manager))->hasTable('backup_prune_upload')) {
      $this->markTestSkipped('this schema has no pruning');
    }
    History::losses(self::$site->manager, 3);
    $this->open('?mod=backup');
    self::$browser->click('a[href*="backup_prune"]');
    self::$browser->type('#policy', 'cold');
    self::$browser->click('#prune-rehearse');
    self::$browser->wait('#dmessage', 'job ');
    $this->assertSame('{"policy": "cold", "dry_run": true}',
      $this->row('SELECT parameters FROM backup_request')['parameters']);

    $this->plan('dry-run cold', 'cold');
    $this->open('?mod=backup_prune');
    $this->assertStringContainsString('drops <all> that is no source', self::$browser->text('#prune-policy'));
    $this->assertStringContainsString('busy<b>box.tar.gz', self::$browser->text('#prune-uploads'));
    self::$browser->type('#typed', 'yes');
    self::$browser->click('#prune-now');
    self::$browser->wait('#dmessage', 'Nothing was removed');

    // Somebody else has planned meanwhile.
    self::$browser->type('#typed', 'cold');
    $this->plan('dry-run gold-only', 'gold-only');
    self::$browser->click('#prune-now');
    self::$browser->wait('#dmessage', 'a newer plan');
    $this->assertSame('1', $this->row('SELECT count(*) AS asked FROM backup_request')['asked']);

    self::$browser->type('#typed', 'gold-only');
    self::$browser->click('#prune-now');
    self::$browser->wait('#dmessage', 'job ');
    $this->assertSame('{"policy": "gold-only"}',
      $this->row('SELECT parameters FROM backup_request ORDER BY id DESC LIMIT 1')['parameters']);

    // Done: no form asks for it again, and it can be undone.
    $this->plan('gold-only', 'gold-only');
    $this->open('?mod=backup_prune');
    $this->assertSame(array(), self::$browser->all('#typed'));
    $this->assertStringContainsString('7 files, 520 B', self::$browser->text('#prune-uploads'));
    self::$browser->click('#prune-uploads button');
    self::$browser->wait('#dmessage', 'job ');
    $this->assertSame('{"undo": [1]}',
      $this->row('SELECT parameters FROM backup_request ORDER BY id DESC LIMIT 1')['parameters']);
  }

  public function testOthersSeeNothingAndChangeNothing()
  {
    History::backups(self::$site->manager, 1);
    foreach (array('writer', 'reader') as $user) {
      $this->open("?login=$user");
      foreach (array('backup', 'backup_status', 'backup_findings', 'backup_prune') as $page) {
        $this->open("?mod=$page");
        $this->assertStringContainsString('Module unavailable', self::$browser->text('body'));
      }
    }
  }

  public function testAForgedFormDoesNothing()
  {
    $this->open('?mod=backup');
    self::$browser->run("document.querySelector('input[name=backup_token]').value = 'x'");
    self::$browser->click('#backup-now');
    self::$browser->wait('#dmessage', 'Nothing was done');
    $this->assertSame('0', $this->row('SELECT count(*) AS jobs FROM job')['jobs']);
  }
}
