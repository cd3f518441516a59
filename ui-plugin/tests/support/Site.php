<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Lib\Db\DbManager;

/**
 * @class Site
 * @brief Our pages in a web server, on a database of their own
 */
class Site
{
  /** @var string Where it is */
  public $url;
  /** @var DbManager Its database */
  public $manager;
  /** @var string Its log, with PHP's errors */
  public $log;
  /** @var string Its configuration, and the repository */
  public $folder;
  private $server;

  public function __construct()
  {
    $database = Cluster::get()->database();
    $this->manager = new DbManager(pg_connect($database, PGSQL_CONNECT_FORCE_NEW));
    $this->folder = sys_get_temp_dir() . '/fo_backup_ui_site_' . bin2hex(random_bytes(6));
    mkdir("$this->folder/mods-enabled/backup/agent", 0755, true);
    mkdir("$this->folder/sessions", 0700);
    $this->log = "$this->folder/log";
    $port = Process::port();
    $this->url = "http://127.0.0.1:$port/";
    $this->server = new Process(array(PHP_BINARY, '-d', "session.save_path=$this->folder/sessions",
      '-d', 'display_errors=1', '-S', "127.0.0.1:$port", __DIR__ . '/pages.php'), $port,
      array('FO_TEST_DB' => $database, 'FO_TEST_ETC' => $this->folder), $this->log);
  }

  public function __destruct()
  {
    unset($this->server);
    exec('rm -rf ' . escapeshellarg($this->folder));
  }

  /** @brief What the installed program knows */
  public function tellVerbs(array $verbs)
  {
    file_put_contents("$this->folder/mods-enabled/backup/verbs.json", json_encode($verbs));
  }
}
