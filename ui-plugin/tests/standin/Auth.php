<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Lib\Auth;

/**
 * @class Auth
 * @brief Stand-in: who is logged in is what the test has put into the session
 */
class Auth
{
  const USER_NAME = 'User';
  const USER_ID = 'UserId';
  const GROUP_ID = 'GroupId';
  const USER_LEVEL = 'UserLevel';

  const PERM_NONE = 0;
  const PERM_READ = 1;
  const PERM_WRITE = 3;
  const PERM_CADMIN = 5;
  const PERM_ADMIN = 10;

  public static function getUserId()
  {
    return isset($_SESSION[self::USER_ID]) ? $_SESSION[self::USER_ID] : 0;
  }

  public static function getGroupId()
  {
    return isset($_SESSION[self::GROUP_ID]) ? $_SESSION[self::GROUP_ID] : 0;
  }

  public static function isAdmin()
  {
    return isset($_SESSION[self::USER_LEVEL]) && $_SESSION[self::USER_LEVEL] == self::PERM_ADMIN;
  }
}
