<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

/**
 * @class Container
 * @brief Stand-in for FOSSology's container: has what the test has put into it
 */
class Container
{
  private $objects;

  public function __construct(array $objects)
  {
    $this->objects = $objects;
  }

  public function get($name)
  {
    if (!isset($this->objects[$name])) {
      throw new \Exception("the tests' container has no $name");
    }
    return $this->objects[$name];
  }
}
