<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\CsrfToken;
use PHPUnit\Framework\TestCase;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Session\Session;
use Symfony\Component\HttpFoundation\Session\Storage\MockArraySessionStorage;

class CsrfTokenTest extends TestCase
{
  private function session()
  {
    return new Session(new MockArraySessionStorage());
  }

  private function form($value, $method = 'POST')
  {
    return Request::create('/', $method, array(CsrfToken::FIELD => $value));
  }

  public function testAFormOfThisSessionAndUserCounts()
  {
    $session = $this->session();
    $value = (new CsrfToken($session, 3))->value();
    $this->assertMatchesRegularExpression('/^[0-9a-f]{64}$/D', $value);
    $this->assertTrue((new CsrfToken($session, 3))->isValid($this->form($value)));
  }

  public function testOthersDoNot()
  {
    $session = $this->session();
    $token = new CsrfToken($session, 3);
    $value = $token->value();
    $this->assertFalse($token->isValid($this->form($value, 'GET')), 'a link');
    $this->assertFalse($token->isValid($this->form('')), 'an empty one');
    $this->assertFalse($token->isValid($this->form(substr($value, 1))), 'a part of it');
    $this->assertFalse($token->isValid($this->form(array($value))), 'a list');
    $this->assertFalse($token->isValid(Request::create('/', 'POST')), 'none');
    $this->assertFalse($token->isValid($this->form((new CsrfToken($session, 4))->value())),
      'one that was made before somebody else logged in');
    $this->assertFalse($token->isValid($this->form((new CsrfToken($this->session(), 3))->value())),
      'one of another session');
  }
}
