<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\CsrfToken;
use Fossology\Backup\UI\MissingFilePanel;
use Fossology\Backup\UI\RecoverPage;
use PHPUnit\Framework\TestCase;
use Symfony\Component\HttpFoundation\Request;

/** What people meet in the place of a missing file, from the first look until it is back */
class RecoverPageTest extends TestCase
{
  private $instance;
  private $upload;
  private $item;
  private $name;

  protected function setUp(): void
  {
    $this->instance = new Instance();
    list($gold) = $this->instance->blob('gold', array('gold'));
    list($pfile, $this->name) = $this->instance->blob('content', array());
    $this->upload = $this->instance->upload('<b>a.tar', $gold);
    $this->item = $this->instance->item($this->upload, '<i>x.c', $pfile);
    $this->instance->readable = array($this->upload);
    $this->instance->editable = array($this->upload);
    $this->instance->logIn(3);
  }

  protected function tearDown(): void
  {
    $this->instance->remove();
  }

  private function handle(Request $request)
  {
    $handle = new \ReflectionMethod(RecoverPage::class, 'handle');
    $handle->setAccessible(true);
    return $handle->invoke(new RecoverPage(), $request);
  }

  private function get(array $more = array())
  {
    return $this->handle(Request::create('/repo/', 'GET', $more + array('item' => $this->item)));
  }

  private function post($what, array $more = array())
  {
    $token = new CsrfToken($this->instance->get('session'), $_SESSION['UserId']);
    return $this->handle(Request::create('/repo/', 'POST', $more + array('item' => $this->item,
      'what' => $what, CsrfToken::FIELD => $token->value())));
  }

  private function queued()
  {
    return $this->instance->one("SELECT count(*) FROM jobqueue WHERE jq_type = 'backup'");
  }

  public function testWhoMayChangeTheUploadGetsTheButtons()
  {
    $page = $this->get()->getContent();
    $this->assertStringContainsString('Bring this file back', $page);
    $this->assertStringContainsString('value="upload"', $page);
    $this->assertStringNotContainsString('refresh', $page);
  }

  public function testWhoMayReadItSeesWhomToAsk()
  {
    foreach (array(array(1, array($this->upload)), array(3, array())) as list($level, $editable)) {
      $this->instance->logIn($level);
      $this->instance->editable = $editable;
      $page = $this->get()->getContent();
      $this->assertStringContainsString('should give this file back', $page);
      $this->assertStringContainsString('ask fossy, who uploaded it', $page);
      $this->assertStringNotContainsString('<form', $page);
      $this->assertSame(403, $this->post('file')->getStatusCode());
      $this->assertSame('0', $this->queued());
    }
  }

  public function testWhoMayNotSeeItLearnsNothing()
  {
    $this->instance->readable = array();
    $panel = new MissingFilePanel($this->instance, $this->instance->sysConf());
    foreach (array($this->get()->getContent(), $this->post('file')->getContent(),
      $panel->html($this->item)) as $page) {
      $this->assertStringContainsString('There is no such file', $page);
      $this->assertStringNotContainsString('x.c', $page);
    }
    $this->assertSame('0', $this->queued());
    $this->instance->logIn(10);
    $this->assertStringContainsString('x.c', $panel->html($this->item), 'an administrator may');
  }

  public function testNothingIsQueuedWithoutTheFormsToken()
  {
    foreach (array('', 'x', array('x')) as $token) {
      $this->assertSame(403, $this->post('file', array(CsrfToken::FIELD => $token))->getStatusCode());
    }
    $this->assertSame(200, $this->get(array('what' => 'file'))->getStatusCode());
    $this->assertSame('0', $this->queued());
  }

  public function testAClickQueuesAndThePageIsLoadedAgainUntilTheFileIsThere()
  {
    $back = array('back' => 'mod=view&upload=2&item=3');
    $queued = $this->post('file', $back);
    $this->assertSame(303, $queued->getStatusCode());
    $this->assertStringContainsString('mod=backup_recover', $queued->headers->get('Location'));
    $this->assertSame('{"blobs": ["' . $this->name . '"]}',
      $this->instance->one('SELECT parameters FROM backup_request'));

    $page = $this->get($back)->getContent();
    $this->assertStringContainsString('A recovery waits in the queue', $page);
    $this->assertStringContainsString("http-equiv='refresh'", $page);
    $this->assertStringNotContainsString('<form', $page, 'one is enough');
    $this->post('file');
    $this->assertSame('1', $this->queued(), 'who clicks twice has asked once');

    $this->instance->blob('content', array('files'));
    $there = $this->get($back);
    $this->assertSame('/repo/?mod=view&upload=2&item=3', $there->headers->get('Location'));
    $page = $this->get()->getContent();
    $this->assertStringContainsString('is there again', $page);
    $this->assertStringContainsString("mod=view&amp;upload=$this->upload&amp;item=$this->item", $page);
  }

  public function testTheWholeUploadIsAskedForAsItsJob()
  {
    $this->post('upload');
    $this->assertSame((string)$this->upload, $this->instance->one('SELECT jq_args FROM jobqueue'));
    $this->assertSame(array('database'), $GLOBALS['standin']['scheduler']);
  }

  public function testARecoveryThatEndedInVainIsToldAndMayBeTriedAgain()
  {
    $this->post('upload');
    $this->instance->query("UPDATE jobqueue SET jq_starttime = now(), jq_endtime = now(), jq_end_bits = 2,
      jq_endtext = 'no vault at /srv/secret'");
    $page = $this->get()->getContent();
    $this->assertStringContainsString('The last recovery failed', $page);
    $this->assertStringContainsString('<form', $page);
    $this->assertStringNotContainsString('/srv/secret', $page);
    $this->instance->logIn(10, 3);
    $this->assertStringContainsString('/srv/secret', $this->get()->getContent());
  }

  public function testAFileThatIsThereAndOnlyThePageCannotReadIsNotCalledLost()
  {
    $this->instance->blob('content', array('files'));
    $panel = new MissingFilePanel($this->instance, $this->instance->sysConf());
    $page = $panel->html($this->item);
    $this->assertStringContainsString('this page cannot read it', $page);
    $this->assertStringNotContainsString('<form', $page);
  }

  public function testARecoveryFromBeforeThePruningSaysNothing()
  {
    $this->post('upload');
    $this->instance->query("UPDATE jobqueue SET jq_starttime = now(), jq_endtime = now(), jq_end_bits = 1;
      INSERT INTO backup_blob_state (pfile_pk, kind, since)
      SELECT pfile_fk, 'pruned', now() + interval '1 minute' FROM uploadtree
       WHERE uploadtree_pk = $this->item");
    $page = $this->get()->getContent();
    $this->assertStringContainsString('to save space', $page);
    $this->assertStringNotContainsString('The last recovery', $page);
  }

  public function testEveryNameIsEscaped()
  {
    $page = $this->get()->getContent();
    $this->assertStringContainsString('&lt;i&gt;x.c', $page);
    $this->assertStringNotContainsString('<i>', $page);
    $this->assertStringNotContainsString('<b>', $page);
  }

  /** @dataProvider ways */
  public function testTheWayBackStaysInFossology($given, $led)
  {
    $this->assertSame($led, MissingFilePanel::localQuery($given));
  }

  public static function ways()
  {
    return array(
      'a page' => array('mod=view-license&upload=5&item=411&show=detail',
        'mod=view-license&upload=5&item=411&show=detail'),
      'no page' => array('upload=5', null),
      'nothing' => array(null, null),
      'another place' => array('//evil.example/', null),
      'what has no place in an address of ours' => array(
        'mod=view&x=//evil&y[]=1&z=%0d%0aLocation', 'mod=view'),
      'a module that is none' => array('mod=/etc', null));
  }

  public function testBrokenTablesBreakNoPage()
  {
    $this->instance->query('DROP TABLE backup_run CASCADE');
    $panel = new MissingFilePanel($this->instance, $this->instance->sysConf());
    $this->assertStringContainsString('could not be found out', $panel->html($this->item));
    $this->assertCount(1, $this->instance->logged);
    $this->instance->query('DROP TABLE backup_instance');
    $page = (new MissingFilePanel($this->instance, $this->instance->sysConf()))->html($this->item);
    $this->assertStringContainsString('The uploaded file', $page, 'without any there is still gold');
  }
}
