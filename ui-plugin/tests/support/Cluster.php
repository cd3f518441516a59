<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Lib\Db\DbManager;

/**
 * @class Cluster
 * @brief A PostgreSQL of the tests' own, in a folder that goes with the process
 *
 * A small shell is its guard: it waits on a pipe from this process, and when that closes, however
 * this process ended, it stops the server and removes its folder.
 */
class Cluster
{
  const GUARD = <<<'SH'
    set -e
    "$1/initdb" -D "$2/data" -U postgres -E UTF8 --locale=C -N >"$2/initdb.log" 2>&1
    "$1/pg_ctl" -D "$2/data" -s -w -l "$2/server.log" \
      -o "-k '$2' -c listen_addresses= -c fsync=off -c max_connections=200" start >/dev/null
    echo ready
    cat >/dev/null
    "$1/pg_ctl" -D "$2/data" -s -m immediate stop
    rm -rf "$2"
SH;

  private static $one;
  private $folder;
  private $guard;
  private $pipes;
  private $next = 0;
  private $models = array();

  /** @return Cluster The one of this process */
  public static function get()
  {
    if (self::$one === null) {
      self::$one = new self();
    }
    return self::$one;
  }

  private function __construct()
  {
    $this->folder = sys_get_temp_dir() . '/fo_backup_ui_' . bin2hex(random_bytes(6));
    mkdir($this->folder, 0755);
    $command = array('sh', '-c', self::GUARD, 'guard', self::programs(), $this->folder);
    if (posix_geteuid() === 0) {
      // PostgreSQL does not run as root.
      chown($this->folder, 'postgres');
      $command = array_merge(array('runuser', '-u', 'postgres', '--'), $command);
    }
    $this->guard = proc_open($command,
      array(array('pipe', 'r'), array('pipe', 'w'), array('file', '/dev/null', 'w')),
      $this->pipes, $this->folder);
    if (fgets($this->pipes[1]) !== "ready\n") {
      throw new \Exception("the tests' server did not start, see $this->folder");
    }
  }

  /** @return string The folder of the newest server's programs */
  private static function programs()
  {
    $found = glob('/usr/lib/postgresql/*/bin/initdb');
    natsort($found);
    $newest = end($found);
    return $newest ? dirname($newest) : dirname(trim(shell_exec('command -v initdb')));
  }

  /**
   * @brief A new database with FOSSology's tables and ours
   * @param bool $ours Whether ours are there
   * @return string How to connect to it
   */
  public function database($ours = true)
  {
    $model = $ours ? 'with_ours' : 'without_ours';
    if (!isset($this->models[$model])) {
      pg_query($this->connect('postgres'), "CREATE DATABASE $model");
      $connection = $this->connect($model);
      self::fill($connection, $ours);
      // A database that somebody is connected to cannot be copied.
      pg_close($connection);
      $this->models[$model] = true;
    }
    $name = 'fossology' . ++$this->next;
    pg_query($this->connect('postgres'), "CREATE DATABASE $name TEMPLATE $model");
    return "host=$this->folder user=postgres dbname=$name";
  }

  private static function fill($connection, $ours)
  {
    $root = dirname(__DIR__, 3);
    pg_query($connection, file_get_contents("$root/tests/sample/schema.sql"));
    // The sample has nothing to reuse.
    pg_query($connection, 'CREATE TABLE upload_reuse (upload_reuse_pk serial PRIMARY KEY, upload_fk integer,
      reused_upload_fk integer, group_fk integer, reused_group_fk integer, reuse_mode integer)');
    if ($ours) {
      $scripts = glob("$root/sql/*.sql");
      sort($scripts);
      foreach ($scripts as $script) {
        pg_query($connection, file_get_contents($script));
      }
      pg_query_params($connection, 'INSERT INTO backup_instance (instance, schema_version)
        VALUES (gen_random_uuid(), $1)', array(count($scripts)));
    }
    pg_query($connection, "INSERT INTO groups (group_pk, group_name) VALUES (2, 'fossy');
      INSERT INTO users (user_pk, user_name, user_perm, group_fk, root_folder_fk) VALUES
        (3, 'fossy', 10, 2, 1), (4, 'writer', 3, 2, 1), (5, 'reader', 1, 2, 1)");
  }

  /** @return DbManager */
  public function manager($ours = true)
  {
    return new DbManager(pg_connect($this->database($ours), PGSQL_CONNECT_FORCE_NEW));
  }

  private function connect($name)
  {
    return pg_connect("host=$this->folder user=postgres dbname=$name", PGSQL_CONNECT_FORCE_NEW);
  }
}
