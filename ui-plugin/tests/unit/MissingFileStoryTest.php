<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\MissingFileStory;
use PHPUnit\Framework\TestCase;

class MissingFileStoryTest extends TestCase
{
  const DAY = 1700000000;

  private function story(array $story = array(), array $file = array(), $gold = true, $admin = false)
  {
    return new MissingFileStory(
      $file + array('isUpload' => false, 'isNote' => false, 'uploadName' => 'a.tar'),
      $story + array('state' => null, 'finding' => null, 'checked' => null, 'restore' => null,
        'backup' => array('full' => null, 'gold' => null)), $gold, $admin);
  }

  /** @dataProvider reasons */
  public function testWhatHappenedIsSaidFromWhatIsKnown($known, $words)
  {
    $this->assertStringContainsString($words, $this->story($known)->what());
  }

  public static function reasons()
  {
    $pruned = array('kind' => 'pruned', 'since' => self::DAY, 'why' => 'old');
    $gold = array('mode' => 'gold', 'ended' => self::DAY);
    $day = date('Y-m-d', self::DAY);
    return array(
      'pruned' => array(array('state' => $pruned), "removed on $day"),
      'and by which policy' => array(array('state' => $pruned), '(policy old)'),
      'pruned goes before all' => array(
        array('state' => $pruned, 'restore' => $gold, 'finding' => 'x'), 'to save space'),
      'restored from gold' => array(array('restore' => $gold, 'finding' => 'x'), 'uploaded files only'),
      'a check missed it' => array(array('finding' => 'x', 'checked' => self::DAY), "check of $day"),
      'a check missed it, some time' => array(array('finding' => 'x'), 'A check found it missing'),
      'restored with all' => array(array('restore' => array('mode' => 'full', 'ended' => self::DAY)),
        'may not have been in the backup'),
      'nothing is known' => array(array(), 'is not known'));
  }

  public function testPlacesOnTheDiskAreForAdministratorsOnly()
  {
    $known = array('finding' => '/srv/repository/x: missing', 'checked' => self::DAY);
    $this->assertStringNotContainsString('/srv', $this->story($known)->what());
    $this->assertStringContainsString('/srv', $this->story($known, array(), true, true)->what());
  }

  /** @dataProvider chances */
  public function testNoWordClaimsMoreThanWhatIsKnown($known, $file, $gold, $chance, $words)
  {
    $story = $this->story($known, $file, $gold);
    $this->assertSame($chance, $story->chance());
    $this->assertStringContainsString($words, implode("\n", $story->ways()));
  }

  public static function chances()
  {
    $pruned = array('state' => array('kind' => 'pruned', 'since' => self::DAY, 'why' => null));
    $never = array('state' => array('kind' => 'not_reproducible', 'since' => self::DAY, 'why' => null));
    $full = array('backup' => array('full' => self::DAY, 'gold' => null));
    $gold = array('backup' => array('full' => null, 'gold' => self::DAY));
    $own = array('isUpload' => true);
    return array(
      'pruned, and gold is there' => array($pruned, array(), true, 'certain', 'gives this file back'),
      'pruned because the vault has it' => array(
        array('state' => array('proof' => 'vault') + $pruned['state']), array(), true, 'likely',
        'proven that a backup has it'),
      'pruned, both give it, and gold is lost' => array(
        array('state' => array('proof' => 'both') + $pruned['state']), array(), false, 'likely',
        'proven that a backup has it'),
      'lost, and gold is there' => array(array(), array(), true, 'likely', 'should give'),
      'gold is lost too' => array(array(), array(), false, 'unlikely', 'No backup is known'),
      'but a backup has it' => array($full, array(), false, 'likely', 'should hold it too'),
      'a backup of gold has nothing that is unpacked' => array($gold, array(), false, 'unlikely',
        'is missing too'),
      'unpacking does not give it' => array($never, array(), true, 'unlikely', 'does not give it'),
      'but backups of gold carry it' => array($never + $gold, array(), true, 'likely', 'should hold it too'),
      'notes of FOSSology' => array(array(), array('isNote' => true), true, 'unlikely', 'do not need'),
      'the upload itself' => array(array(), $own, true, 'certain', 'put back from that'),
      'the upload itself, nowhere' => array(array(), $own, false, 'unlikely', 'Uploading the same'),
      'the upload itself, in a backup' => array($gold, $own, false, 'likely', 'should hold it too'));
  }

  /** @dataProvider times */
  public function testHowLongItTakesComesFromThePast($bytes, $rate, $words)
  {
    $this->assertStringContainsString($words, MissingFileStory::time($bytes, $rate));
  }

  public static function times()
  {
    return array(
      'nothing was recovered yet' => array(1000, null, 'not known yet'),
      'a rate that is none' => array(1000, 0.0, 'not known yet'),
      'small' => array(10, 1000.0, 'about 10 seconds'),
      'a minute and a bit' => array(70000, 1000.0, 'about 80 seconds'),
      'minutes' => array(600000, 1000.0, 'about 11 minutes'),
      'hours' => array(7200000, 1000.0, 'about 3 hours'));
  }
}
