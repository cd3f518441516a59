<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\Hooks;
use PHPUnit\Framework\TestCase;

/** PHP ends everything where a class does not fit its parent: so it must not even be read */
class HooksOfAnotherReleaseTest extends TestCase
{
  public function testAPluginThatIsNotAsWeKnowItStaysFossologysOwn()
  {
    $fits = new \ReflectionMethod(Hooks::class, 'fits');
    $fits->setAccessible(true);
    $this->assertTrue($fits->invoke(null, \ui_download::class));
    $this->assertFalse($fits->invoke(null, \LaterDownload::class));
    $typed = new class {
      public function AgentAdd(int $jobId)
      {
      }
    };
    $this->assertFalse($fits->invoke(null, get_class($typed)));
  }
}
