<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief Finds our classes in this folder
 *
 * FOSSology reads every file beside services.php on every page, and none in folders below it. So
 * what is there reads this file first, and a class is read when it is used.
 */
spl_autoload_register(function ($class) {
  $prefix = 'Fossology\\Backup\\UI\\';
  if (strncmp($class, $prefix, strlen($prefix)) !== 0) {
    return;
  }
  $file = __DIR__ . '/' . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
  if (is_file($file)) {
    require_once $file;
  }
});
