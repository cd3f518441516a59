<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Db\DbManager;

/**
 * @class Recoveries
 * @brief Asks for files to be brought back, a single one or an upload's
 *
 * Who calls this has looked at the user's rights and at the form's token before.
 */
class Recoveries
{
  /** @var RecoveryJobs */
  private $jobs;
  /** @var RequestQueue */
  private $queue;
  /** @var MissingFileDao */
  private $dao;
  /** @var string */
  private $sysConfDir;

  /**
   * @param DbManager $dbManager
   * @param RequestQueue $queue
   * @param string $sysConfDir FOSSology's $SYSCONFDIR
   */
  public function __construct(DbManager $dbManager, RequestQueue $queue, $sysConfDir)
  {
    $this->jobs = new RecoveryJobs($dbManager);
    $this->dao = new MissingFileDao($dbManager);
    $this->queue = $queue;
    $this->sysConfDir = rtrim($sysConfDir, '/');
  }

  /** @return Recoveries Those of the FOSSology that shows this page */
  public static function here()
  {
    global $container, $SYSCONFDIR;
    return new self($container->get('db.manager'), RequestQueue::here(), $SYSCONFDIR);
  }

  /**
   * @brief Asks for a file; one recovery that is open already and brings it back serves too
   * @param array $file As of MissingFileDao::getFile()
   * @param bool $whole Whether all of its upload is brought back
   * @param int $userId
   * @param int $groupId
   * @throws BackupException
   */
  public function ask(array $file, $whole, $userId, $groupId)
  {
    if ($whole) {
      $this->askUpload($file['upload'], $userId, $groupId);
      return;
    }
    $recovery = $this->dao->getRecovery($file);
    if ($recovery === null || !in_array($recovery['state'], array('queued', 'running'), true)) {
      $this->queue->ask(Work::recoverBlobs(array($file['name'])), $userId, $groupId);
    }
  }

  /**
   * @brief Asks for an upload's files
   * @param int $uploadId
   * @param int $userId
   * @param int $groupId
   * @return int jq_pk
   * @throws BackupException
   */
  public function askUpload($uploadId, $userId, $groupId)
  {
    if (!is_dir("$this->sysConfDir/mods-enabled/" . RequestQueue::AGENT)) {
      throw new BackupException(
        _("FOSSology does not know the agent 'backup': run 'fo_backup install' on this host."));
    }
    try {
      $entry = $this->jobs->ask($uploadId, $userId, $groupId);
    } catch (\Exception $failed) {
      throw new BackupException(_("The database did not take the job."), 0, $failed);
    }
    $output = '';
    $error = '';
    // Who is not told looks by himself, within two minutes.
    fo_communicate_with_scheduler('database', $output, $error);
    return $entry;
  }
}
