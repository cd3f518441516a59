<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\RepositoryFiles;
use PHPUnit\Framework\TestCase;

class RepositoryFilesTest extends TestCase
{
  const NAME = '80cb86a3c0e5a4b2a3e4d5c6b7a8f9e0d1c2b3a4.d41d8cd98f00b204e9800998ecf8427e.5';

  private function files(array $repository, $depth = '3')
  {
    return new RepositoryFiles(array('FOSSOLOGY' => array('path' => '/srv/', 'depth' => $depth),
      'REPOSITORY' => $repository));
  }

  public function testAFileLiesBelowItsHostAndTheFirstSignsOfItsName()
  {
    $this->assertSame(array('/srv/localhost/gold/80/cb/86/' . self::NAME),
      $this->files(array('localhost' => array('* 00 ff')))->places('gold', strtoupper(self::NAME)));
  }

  /** @dataProvider ranges */
  public function testTheRangesSayWhere($repository, $depth, $places)
  {
    $found = $this->files($repository, $depth)->places('files', self::NAME);
    $this->assertSame($places, array_map(function ($place) {
      return substr(dirname($place), strlen('/srv/'));
    }, $found));
  }

  public static function ranges()
  {
    return array(
      'the half that it lies in' => array(
        array('one' => array('* 00 7f'), 'two' => array('* 80 ff')), '3', array('two/files/80/cb/86')),
      'fall-backs behind, in the order of hosts' => array(
        array('b' => array('files 00 ff'), 'a' => array('* 80cb 80cb'), 'B' => array('* 8 8')), '1',
        array('B/files/80', 'a/files/80', 'b/files/80')),
      'other trees do not count' => array(array('a' => array('gold 00 ff', 'files 90 ff')), '2',
        array('files/80/cb')),
      'no range at all' => array(array(), '0', array('files')),
      'nonsense is passed over' => array(array('a' => array('*', 'x 00 ff'), 'b' => array('*  00   ff')),
        '1', array('b/files/80')));
  }

  public function testWhatIsShorterThanItsNameSaysIsNotThere()
  {
    $instance = new Instance();
    list(, $name) = $instance->blob('hello', array('files'));
    $files = new RepositoryFiles($instance->sysConf());
    $this->assertTrue($files->isReachable());
    $this->assertTrue($files->has('files', $name));
    $this->assertFalse($files->has('gold', $name));
    file_put_contents($instance->place('files', $name), 'hell');
    $this->assertFalse($files->has('files', $name));
    $instance->remove();
    $this->assertFalse($files->isReachable());
  }
}
