<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief What the tests stand on: Debian's packages of what FOSSology brings by composer, our
 * classes, and stand-ins for FOSSology's own
 */
error_reporting(E_ALL);
set_error_handler(function ($kind, $message, $file, $line) {
  // A notice in our own code is a mistake; old libraries under a new PHP are not ours.
  if (strpos($file, dirname(__DIR__)) === 0 && (error_reporting() & $kind)) {
    throw new \ErrorException($message, 0, $kind, $file, $line);
  }
  return false;
});

require_once 'Symfony/Component/HttpFoundation/autoload.php';
require_once 'Twig/autoload.php';
require_once __DIR__ . '/standin/fossology.php';
foreach (array('Cluster', 'Process', 'Site', 'Browser', 'History', 'Instance') as $support) {
  require_once __DIR__ . "/support/$support.php";
}
require_once dirname(__DIR__) . '/inc/autoload.php';
