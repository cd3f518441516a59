<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class RepositoryFiles
 * @brief Looks whether files of the repository are there
 *
 * FOSSology's own function starts a program for every file. Where thousands are looked at, this
 * says where they lie: path, depth and ranges of fossology.conf, by the same rules.
 */
class RepositoryFiles
{
  /** @var string */
  private $path;
  /** @var int */
  private $depth;
  /** @var array[] Host, tree, first and last name */
  private $ranges = array();

  /**
   * @param array $sysConf FOSSology's $SysConf
   */
  public function __construct(array $sysConf)
  {
    $main = isset($sysConf['FOSSOLOGY']) ? $sysConf['FOSSOLOGY'] : array();
    $this->path = isset($main['path']) ? rtrim($main['path'], '/') : '';
    $this->depth = isset($main['depth']) ? (int)$main['depth'] : 3;
    $hosts = isset($sysConf['REPOSITORY']) ? $sysConf['REPOSITORY'] : array();
    // Hosts are tried in the order of their names, byte by byte.
    ksort($hosts, SORT_STRING);
    foreach ($hosts as $host => $lines) {
      foreach ((array)$lines as $line) {
        $words = preg_split('/ +/', trim($line));
        if (count($words) === 3) {
          $this->ranges[] = array_merge(array($host), $words);
        }
      }
    }
  }

  /** @return bool Whether the repository can be seen from this host at all */
  public function isReachable()
  {
    return $this->path !== '' && is_dir($this->path);
  }

  /**
   * @param string $tree gold or files
   * @param string $name sha1.md5.size
   * @return string[] Where FOSSology looks for it: first where it writes it
   */
  public function places($tree, $name)
  {
    $name = strtolower($name);
    $hosts = array();
    foreach ($this->ranges as list($host, $type, $from, $to)) {
      if (($type === '*' || $type === $tree) && strncasecmp($from, $name, strlen($from)) <= 0 &&
        strncasecmp($to, $name, strlen($to)) >= 0) {
        $hosts[] = "$host/";
      }
    }
    $folders = '';
    for ($level = 0; $level < $this->depth; $level++) {
      $folders .= substr($name, 2 * $level, 2) . '/';
    }
    return array_map(function ($host) use ($tree, $folders, $name) {
      return "$this->path/$host$tree/$folders$name";
    }, $hosts ?: array(''));
  }

  /**
   * @brief Whether a file lies in a tree, as long as its name says
   * @param string $tree gold or files
   * @param string $name sha1.md5.size
   * @return bool
   */
  public function has($tree, $name)
  {
    clearstatcache();
    $size = substr(strrchr($name, '.'), 1);
    foreach ($this->places($tree, $name) as $place) {
      $found = @stat($place);
      if ($found !== false && (string)$found['size'] === $size) {
        return true;
      }
    }
    return false;
  }
}
