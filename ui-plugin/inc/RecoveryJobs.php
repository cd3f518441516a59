<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Db\DbManager;

/**
 * @class RecoveryJobs
 * @brief Recoveries of whole uploads in FOSSology's queue
 *
 * They belong to their upload and carry its number as their data, so that people see them among the
 * upload's jobs and may end them. One that waits or runs serves all who need it.
 *
 * Who calls this has looked at the user's rights and at the form's token before.
 */
class RecoveryJobs
{
  /** The lock by which 'fo_backup jobs guard' and we make one recovery together */
  const LOCK = 0x666f6775;

  /** @var DbManager */
  private $dbManager;

  public function __construct(DbManager $dbManager)
  {
    $this->dbManager = $dbManager;
  }

  /**
   * @brief The recovery of this upload that waits or runs
   * @param int $uploadId
   * @return int jq_pk, 0 without one
   */
  public function open($uploadId)
  {
    $row = $this->dbManager->getSingleRow(
      'SELECT max(jq_pk) AS entry FROM jobqueue
        WHERE jq_type = $1 AND jq_args = $2 AND jq_endtime IS NULL AND jq_end_bits < 2',
      array(RequestQueue::AGENT, (string)(int)$uploadId), __METHOD__);
    return (int)$row['entry'];
  }

  /**
   * @brief Puts a recovery into a job, unless there is one already
   * @param int $jobId Of this upload's
   * @param int $uploadId
   * @param int[] $after What it waits for, jq_pk
   * @return int jq_pk
   * @throws \Exception When the database does not take it; then nothing was changed
   */
  public function add($jobId, $uploadId, array $after = array())
  {
    return $this->once($uploadId, function () use ($jobId) {
      return $jobId;
    }, $after);
  }

  /**
   * @brief Queues a recovery as a job of its own, unless there is one already
   * @param int $uploadId
   * @param int $userId
   * @param int $groupId
   * @return int jq_pk
   * @throws \Exception When the database does not take it; then nothing was changed
   */
  public function ask($uploadId, $userId, $groupId)
  {
    return $this->once($uploadId, function () use ($uploadId, $userId, $groupId) {
      $job = $this->dbManager->getSingleRow(
        "INSERT INTO job (job_user_fk, job_group_fk, job_queued, job_priority, job_name, job_upload_fk)
         VALUES ($1, $2, now(), 0, 'Recover missing files', $3) RETURNING job_pk",
        array($userId, $groupId, $uploadId), __CLASS__ . '.job');
      return $job['job_pk'];
    }, array());
  }

  private function once($uploadId, callable $job, array $after)
  {
    $this->dbManager->begin();
    try {
      $this->dbManager->getSingleRow('SELECT pg_advisory_xact_lock($1)', array(self::LOCK),
        __METHOD__ . '.lock');
      $entry = $this->open($uploadId);
      if ($entry === 0) {
        $row = $this->dbManager->getSingleRow(
          'INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits, jq_args)
           VALUES ($1, $2, 0, $3) RETURNING jq_pk',
          array($job(), RequestQueue::AGENT, (string)(int)$uploadId), __METHOD__ . '.entry');
        $entry = (int)$row['jq_pk'];
        foreach (array_filter($after) as $earlier) {
          $this->dbManager->getSingleRow(
            'INSERT INTO jobdepends (jdep_jq_fk, jdep_jq_depends_fk) VALUES ($1, $2)',
            array($entry, $earlier), __METHOD__ . '.after');
        }
      }
      $this->dbManager->commit();
      return $entry;
    } catch (\Exception $failed) {
      $this->dbManager->rollback();
      throw $failed;
    }
  }
}
