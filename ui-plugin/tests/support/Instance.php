<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Lib\Auth\Auth;
use Symfony\Component\HttpFoundation\Session\Session;
use Symfony\Component\HttpFoundation\Session\Storage\MockArraySessionStorage;

require_once dirname(__DIR__) . '/standin/missing.php';

/**
 * @class Instance
 * @brief A FOSSology as far as missing files need one: tables on a real PostgreSQL, a repository in a
 * folder, the real Twig, and a container that has them
 */
class Instance
{
  public $database;
  public $folder;
  public $logged = array();
  private $services;
  private $next = 100;

  /**
   * @param bool $ours Whether our tables are there
   */
  public function __construct($ours = true)
  {
    $this->database = Cluster::get()->manager($ours);
    $this->folder = sys_get_temp_dir() . '/fo_backup_ui_repository_' . bin2hex(random_bytes(6));
    mkdir("$this->folder/etc/mods-enabled/backup", 0755, true);
    mkdir("$this->folder/repository");
    $loader = new \Twig\Loader\FilesystemLoader();
    $loader->addPath(dirname(__DIR__, 2) . '/template', 'backup');
    $loader = new \Twig\Loader\ChainLoader(array($loader, new \Twig\Loader\ArrayLoader(array(
      'include/base.html.twig' => '<head>{{ metadata }}</head>{{ content }}'))));
    $twig = new \Twig\Environment($loader, array('autoescape' => false));
    $twig->addFilter(new \Twig\TwigFilter('trans', function ($text) {
      return $text;
    }));
    $this->services = array('db.manager' => $this->database, 'twig.environment' => $twig,
      'session' => new Session(new MockArraySessionStorage()), 'dao.upload' => $this, 'logger' => $this);
    $GLOBALS['container'] = $this;
    $GLOBALS['SysConf'] = $this->sysConf();
    $GLOBALS['SYSCONFDIR'] = "$this->folder/etc";
    $GLOBALS['Plugins'] = array();
    $GLOBALS['standin'] = array('menus' => array(), 'scheduler' => array());
    $_SESSION = array();
    $_SERVER['REQUEST_URI'] = '/repo/?mod=view';
  }

  public function remove()
  {
    exec('rm -rf ' . escapeshellarg($this->folder));
  }

  public function sysConf()
  {
    return array('FOSSOLOGY' => array('path' => "$this->folder/repository", 'depth' => '3'),
      'REPOSITORY' => array('localhost' => array('* 00 ff')),
      'HOSTS' => array('localhost' => 'localhost /etc 10'));
  }

  public function get($name)
  {
    return $this->services[$name];
  }

  /** In place of UploadDao: what the test has granted */
  public $readable = array();
  public $editable = array();

  public function isAccessible($uploadId, $groupId)
  {
    return in_array($uploadId, $this->readable, true);
  }

  public function isEditable($uploadId, $groupId)
  {
    return in_array($uploadId, $this->editable, true);
  }

  /** In place of the logger */
  public function error($text)
  {
    $this->logged[] = $text;
  }

  public function logIn($level, $userId = 4)
  {
    $_SESSION = array(Auth::USER_NAME => 'somebody', Auth::USER_ID => $userId, Auth::GROUP_ID => 2,
      Auth::USER_LEVEL => $level);
  }

  /** A blob that lies in these trees; gives pfile_pk and name */
  public function blob($content, array $trees)
  {
    $name = sha1($content) . '.' . md5($content) . '.' . strlen($content);
    foreach ($trees as $tree) {
      $place = $this->place($tree, $name);
      @mkdir(dirname($place), 0755, true);
      file_put_contents($place, $content);
    }
    $row = $this->database->getSingleRow('INSERT INTO pfile (pfile_sha1, pfile_md5, pfile_size)
      VALUES ($1, $2, $3) RETURNING pfile_pk',
      array(strtoupper(sha1($content)), strtoupper(md5($content)), strlen($content)), 'instance.pfile');
    return array((int)$row['pfile_pk'], $name);
  }

  public function place($tree, $name)
  {
    return "$this->folder/repository/localhost/$tree/" . substr($name, 0, 2) . '/' . substr($name, 2, 2) .
      '/' . substr($name, 4, 2) . "/$name";
  }

  /** An upload of this name from an hour ago; gives upload_pk */
  public function upload($name, $gold)
  {
    $row = $this->database->getSingleRow("INSERT INTO upload (upload_filename, upload_mode, user_fk,
      pfile_fk, upload_ts) VALUES ($1, 104, 3, $2, now() - interval '1 hour') RETURNING upload_pk",
      array($name, $gold), 'instance.upload');
    $this->item((int)$row['upload_pk'], $name, $gold);
    return (int)$row['upload_pk'];
  }

  /** An item of an upload; gives uploadtree_pk */
  public function item($upload, $name, $pfile, $mode = 0100644)
  {
    $key = $this->next++;
    $this->database->getSingleRow('INSERT INTO uploadtree_a (uploadtree_pk, upload_fk, ufile_name,
      pfile_fk, ufile_mode, lft, rgt) VALUES ($1, $2, $3, $4, $5, 1, 2)',
      array($key, $upload, $name, $pfile, $mode), 'instance.item');
    return $key;
  }

  public function job($upload)
  {
    $row = $this->database->getSingleRow("INSERT INTO job (job_user_fk, job_queued, job_priority, job_name,
      job_upload_fk) VALUES (3, now(), 0, 'a job', $1) RETURNING job_pk", array($upload), 'instance.job');
    return (int)$row['job_pk'];
  }

  public function query($sql)
  {
    $this->database->queryOnce($sql);
  }

  public function one($sql, array $parameters = array())
  {
    $row = $this->database->getSingleRow($sql, $parameters, 'instance.' . md5($sql));
    return $row === false ? null : reset($row);
  }
}
