<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Auth\Auth;

/**
 * @class RecoverFirst
 * @brief Puts a recovery before scans of an upload that lacks files
 *
 * Whatever goes wrong here, the scan is queued as without us: FOSSology's own way goes on.
 */
class RecoverFirst
{
  /** @var RecoverFirst|null */
  private static $here = null;
  /** @var LackingFiles */
  private $lacking;
  /** @var RecoveryJobs */
  private $jobs;
  /** @var callable */
  private $isInstalled;
  /** @var callable */
  private $warn;

  /**
   * @param LackingFiles $lacking
   * @param RecoveryJobs $jobs
   * @param callable $isInstalled Whether our tables and our agent are there
   * @param callable $warn Takes what went wrong
   */
  public function __construct(LackingFiles $lacking, RecoveryJobs $jobs, callable $isInstalled,
    callable $warn)
  {
    $this->lacking = $lacking;
    $this->jobs = $jobs;
    $this->isInstalled = $isInstalled;
    $this->warn = $warn;
  }

  /** @return RecoverFirst The one of this FOSSology; it remembers what it found in this request */
  public static function here()
  {
    if (self::$here === null) {
      global $container, $SysConf, $SYSCONFDIR;
      $dbManager = $container->get('db.manager');
      self::$here = new self(new LackingFiles($dbManager, new RepositoryFiles($SysConf)),
        new RecoveryJobs($dbManager),
        function () use ($dbManager, $SYSCONFDIR) {
          $backupDao = new BackupDao($dbManager);
          return is_dir("$SYSCONFDIR/mods-enabled/" . RequestQueue::AGENT) &&
            $backupDao->isInstalled();
        },
        function ($text) use ($container) {
          $container->get('logger')->error("fo_backup: $text");
        });
    }
    return self::$here;
  }

  /**
   * @brief What a scanner has to wait for
   * @param int $jobId
   * @param int $uploadId
   * @param int $after What it would wait for without us, jq_pk or 0
   * @return int jq_pk or 0
   */
  public function before($jobId, $uploadId, $after)
  {
    return $this->guarded($after, function () use ($jobId, $uploadId, $after) {
      return $this->lacking->lacks($uploadId) ? $this->jobs->add($jobId, $uploadId, array($after)) : $after;
    });
  }

  /**
   * @brief The uploads whose files are compared with those of this one
   * @param int $uploadId
   * @return int[]
   */
  public function comparedWith($uploadId)
  {
    return $this->guarded(array(), function () use ($uploadId) {
      return $this->lacking->comparedWith($uploadId);
    });
  }

  /**
   * @brief What has to be waited for before files of an upload are read that is not scanned itself
   * @param int $uploadId
   * @return int jq_pk or 0
   */
  public function ofAnother($uploadId)
  {
    return $this->guarded(0, function () use ($uploadId) {
      return $this->lacking->lacks($uploadId) ?
        $this->jobs->ask($uploadId, Auth::getUserId(), Auth::getGroupId()) : 0;
    });
  }

  private function guarded($else, callable $asked)
  {
    try {
      return call_user_func($this->isInstalled) ? $asked() : $else;
    } catch (\Throwable $failed) {
      call_user_func($this->warn, $failed->getMessage());
    }
    return $else;
  }
}
