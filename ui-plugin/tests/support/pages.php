<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief Our pages behind PHP's own web server: a stand-in for FOSSology's index.php
 *
 * It does in the same order what that does: container, plugins, rights, the page that is asked for.
 * Logging in is '?login=NAME'. Site.php starts it and says by the environment where the database
 * and the configuration are.
 */
use Fossology\Backup\UI\Tests\Container;
use Fossology\Backup\UI\Tests\SharedUploads;
use Fossology\Lib\Auth\Auth;
use Fossology\Lib\Db\DbManager;
use Symfony\Component\HttpFoundation\Session\Session;
use Twig\Environment;
use Twig\Loader\FilesystemLoader;
use Twig\TwigFilter;

require_once dirname(__DIR__) . '/bootstrap.php';

$SYSCONFDIR = getenv('FO_TEST_ETC');
$SysConf = array('HOSTS' => array('localhost' => 'localhost /etc/fossology 10'),
  'DIRECTORIES' => array('PROJECTUSER' => 'fossy'),
  'FOSSOLOGY' => array('path' => "$SYSCONFDIR/repository", 'depth' => '3'),
  'REPOSITORY' => array('localhost' => array('* 00 ff')));
$session = new Session();
$session->start();

$loader = new FilesystemLoader(dirname(__DIR__) . '/standin/template');
// As FOSSology has it: nothing is escaped by itself.
$twig = new Environment($loader, array('autoescape' => false, 'strict_variables' => true));
$twig->addFilter(new TwigFilter('trans', 'gettext'));
$manager = new DbManager(pg_connect(getenv('FO_TEST_DB')));
$container = new Container(array('db.manager' => $manager, 'session' => $session,
  'twig.loader' => $loader, 'twig.environment' => $twig, 'dao.upload' => new SharedUploads()));

if (isset($_GET['login'])) {
  $user = $manager->getSingleRow('SELECT * FROM users WHERE user_name = $1', array($_GET['login']), 'login');
  $_SESSION[Auth::USER_NAME] = $user['user_name'];
  $_SESSION[Auth::USER_ID] = (int)$user['user_pk'];
  $_SESSION[Auth::USER_LEVEL] = (int)$user['user_perm'];
  $_SESSION[Auth::GROUP_ID] = (int)$user['group_fk'];
  exit('logged in');
}

foreach (glob(dirname(__DIR__, 2) . '/*.php') as $file) {
  include_once $file;
}
foreach ($Plugins as $plugin) {
  if (method_exists($plugin, 'preInstall')) {
    $plugin->preInstall();
  }
}
$level = isset($_SESSION[Auth::USER_LEVEL]) ? $_SESSION[Auth::USER_LEVEL] : 0;
foreach ($Plugins as $name => $plugin) {
  if ($plugin->getDBaccess() > $level) {
    unset($Plugins[$name]);
  }
}
$plugin = plugin_find(isset($_GET['mod']) ? $_GET['mod'] : '');
if ($plugin === null) {
  exit('Module unavailable or your login session timed out.');
}
$plugin->getResponse()->send();
