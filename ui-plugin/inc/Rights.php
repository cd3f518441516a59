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
    if (Auth::isAdmin()) {
      return true;
    }
    return isset($_SESSION[Auth::USER_LEVEL]) && $_SESSION[Auth::USER_LEVEL] >= Auth::PERM_WRITE &&
      $container->get('dao.upload')->isEditable($uploadId, Auth::getGroupId());
  }
}
