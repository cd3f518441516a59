<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Auth\Auth;

/**
 * @class Rights
 * @brief Who may do what
 *
 * FOSSology removes pages above somebody's level, but not for its command line, and a level says
 * nothing about an upload. So whoever does something asks here again.
 */
class Rights
{
  /**
   * @brief Whether whoever is logged in may see an upload
   * @param \Psr\Container\ContainerInterface $container
   * @param int $uploadId
   * @return bool
   */
  public static function mayRead($container, $uploadId)
  {
    return Auth::isAdmin() ||
      $container->get('dao.upload')->isAccessible($uploadId, Auth::getGroupId());
  }

  /**
   * @brief Whether they may bring its files back
   * @param \Psr\Container\ContainerInterface $container
   * @param int $uploadId
   * @return bool
   */
  public static function mayRecover($container, $uploadId)
  {
    $level = self::level($container);
    if ($level >= Auth::PERM_ADMIN) {
      return true;
    }
    return $level >= Auth::PERM_WRITE &&
      $container->get('dao.upload')->isEditable($uploadId, Auth::getGroupId());
  }

  /** A session has it; on the command line there is none, and the user was asked for a password */
  private static function level($container)
  {
    if (isset($_SESSION[Auth::USER_LEVEL])) {
      return (int)$_SESSION[Auth::USER_LEVEL];
    }
    $row = $container->get('db.manager')->getSingleRow('SELECT user_perm FROM users WHERE user_pk = $1',
      array(Auth::getUserId()), __METHOD__);
    return $row === false ? Auth::PERM_NONE : (int)$row['user_perm'];
  }
}
