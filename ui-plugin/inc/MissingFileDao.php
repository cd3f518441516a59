<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Db\DbManager;

/**
 * @class MissingFileDao
 * @brief What the tables know of a file that is not in the repository
 *
 * Beside FOSSology's own tables all may be absent; then nothing is known. Times are seconds since
 * 1970.
 */
class MissingFileDao
{
  /** From how many past recoveries it is estimated how long one takes */
  const PAST = 20;
  /** How many of the newest requests are looked through for one that is about a file */
  const REQUESTS = 500;
  /** How many of an upload's files are added up; beyond that its size is estimated */
  const COUNTED = 20000;

  /** @var DbManager */
  private $dbManager;
  /** @var BackupDao */
  private $backupDao;

  public function __construct(DbManager $dbManager)
  {
    $this->dbManager = $dbManager;
    $this->backupDao = new BackupDao($dbManager);
  }

  /**
   * @brief The file behind an item of the tree
   * @param int $itemId uploadtree_pk
   * @return array|null item, upload, file, pfile, name, size, isUpload, isNote (FOSSology's own about
   *   an archive), uploadName, uploaded, owner, gold (name of the uploaded file, null when it was
   *   deleted)
   */
  public function getFile($itemId)
  {
    $row = $this->dbManager->getSingleRow(
      "SELECT t.uploadtree_pk, t.upload_fk, t.ufile_name, t.ufile_mode, t.pfile_fk, p.pfile_size,
              p.pfile_sha1 || '.' || p.pfile_md5 || '.' || p.pfile_size AS name,
              u.upload_filename, extract(epoch FROM u.upload_ts) AS uploaded, w.user_name,
              u.pfile_fk AS gold_fk,
              g.pfile_sha1 || '.' || g.pfile_md5 || '.' || g.pfile_size AS gold
         FROM uploadtree t
         JOIN pfile p ON p.pfile_pk = t.pfile_fk
         JOIN upload u ON u.upload_pk = t.upload_fk
         LEFT JOIN pfile g ON g.pfile_pk = u.pfile_fk
         LEFT JOIN users w ON w.user_pk = u.user_fk
        WHERE t.uploadtree_pk = $1", array($itemId), __METHOD__);
    if ($row === false) {
      return null;
    }
    return array(
      'item' => (int)$row['uploadtree_pk'],
      'upload' => (int)$row['upload_fk'],
      'file' => $row['ufile_name'],
      'pfile' => (int)$row['pfile_fk'],
      'name' => strtolower($row['name']),
      'size' => (float)$row['pfile_size'],
      'isUpload' => $row['gold_fk'] !== null && $row['gold_fk'] === $row['pfile_fk'],
      'isNote' => $row['ufile_name'] === 'artifact.meta' && ($row['ufile_mode'] & (1 << 28)) !== 0,
      'uploadName' => $row['upload_filename'],
      'uploaded' => (float)$row['uploaded'],
      'owner' => $row['user_name'],
      'gold' => $row['gold'] === null ? null : strtolower($row['gold']));
  }

  /**
   * @brief What is known of why a file is missing, and what may bring it back
   * @param array $file As of getFile()
   * @return array state (as of BackupDao::getBlobState), finding (detail), checked, restore (mode,
   *   ended, complete), backup (full, gold: when the newest good one began that came after the
   *   upload); each null when nothing is known
   */
  public function getStory(array $file)
  {
    $story = array('state' => null, 'finding' => null, 'checked' => null, 'restore' => null,
      'backup' => array('full' => null, 'gold' => null));
    if (!$this->backupDao->isInstalled()) {
      return $story;
    }
    $story['state'] = $this->backupDao->getBlobState($file['pfile']);
    $finding = $this->dbManager->getSingleRow(
      "SELECT detail FROM backup_finding
        WHERE upload_fk = $1 AND pfile_fk = $2 AND kind IN ('missing', 'corrupt') LIMIT 1",
      array($file['upload'], $file['pfile']), __METHOD__ . '.finding');
    if ($finding !== false) {
      $story['finding'] = $finding['detail'];
      $story['checked'] = $this->lastCheck();
    }
    $restore = $this->dbManager->getSingleRow(
      "SELECT mode, extract(epoch FROM ended) AS ended FROM backup_run
        WHERE verb = 'restore' AND state IN ('done', 'incomplete')
          AND ended > to_timestamp($1::double precision)
        ORDER BY id DESC LIMIT 1", array($file['uploaded']), __METHOD__ . '.restore');
    if ($restore !== false) {
      $story['restore'] = array('mode' => $restore['mode'], 'ended' => (float)$restore['ended']);
    }
    $backups = $this->dbManager->getRows(
      "SELECT mode, extract(epoch FROM max(started)) AS began FROM backup_run
        WHERE verb = 'backup' AND state IN ('done', 'incomplete') AND snapshot IS NOT NULL
          AND started > to_timestamp($1::double precision)
        GROUP BY mode", array($file['uploaded']), __METHOD__ . '.backups');
    foreach ($backups as $backup) {
      $story['backup'][$backup['mode']] = (float)$backup['began'];
    }
    return $story;
  }

  /** @return float|null */
  private function lastCheck()
  {
    $row = $this->dbManager->getSingleRow(
      "SELECT extract(epoch FROM max(ended)) AS ended FROM backup_run
        WHERE verb = 'check' AND state IN ('done', 'incomplete')", array(), __METHOD__);
    return $row['ended'] === null ? null : (float)$row['ended'];
  }

  /**
   * @brief How fast recoveries were here, on one host
   *
   * Of one that several hosts made the shares tell: the last entry has all the bytes, and no time.
   *
   * @return float|null Bytes a second; null when none is known
   */
  public function getRate()
  {
    if (!$this->backupDao->isInstalled()) {
      return null;
    }
    $row = $this->dbManager->getSingleRow(
      "SELECT sum(bytes) AS bytes, sum(seconds) AS seconds
         FROM (SELECT coalesce((counts->'unpacked'->>'bytes')::float8, 0)
                      + coalesce((counts->'from_vault'->>'bytes')::float8, 0)
                      + coalesce((counts->'from_web'->>'bytes')::float8, 0) AS bytes,
                      extract(epoch FROM ended - started) AS seconds
                 FROM backup_run u
                WHERE (verb = 'recover part' OR verb = 'recover' AND NOT EXISTS (
                        SELECT 1 FROM backup_run part
                         WHERE part.request = u.request AND part.verb = 'recover part'))
                  AND state IN ('done', 'incomplete')
                  AND counts->'unpacked'->>'bytes' IS NOT NULL
                ORDER BY id DESC LIMIT $1) past
        WHERE bytes > 0", array(self::PAST), __METHOD__);
    return $row['bytes'] > 0 && $row['seconds'] > 0 ? $row['bytes'] / $row['seconds'] : null;
  }

  /**
   * @brief How much an upload's files are together
   * @param int $uploadId
   * @return float Bytes
   */
  public function getUploadBytes($uploadId)
  {
    $row = $this->dbManager->getSingleRow(
      "SELECT count(*) AS files, sum(pfile_size) AS bytes
         FROM (SELECT pfile_size FROM uploadtree JOIN pfile ON pfile_pk = pfile_fk
                WHERE upload_fk = $1 LIMIT $2) counted", array($uploadId, self::COUNTED), __METHOD__);
    if ($row['files'] < self::COUNTED) {
      return (float)$row['bytes'];
    }
    $all = $this->dbManager->getSingleRow(
      'SELECT max(rgt) / 2 AS nodes FROM uploadtree WHERE upload_fk = $1 AND parent IS NULL',
      array($uploadId), __METHOD__ . '.all');
    return $row['bytes'] / $row['files'] * max($row['files'], (float)$all['nodes']);
  }

  /**
   * @brief The newest recovery that was asked for and would bring this file back
   *
   * A request may have several entries, one for each host; it goes on as long as one of them does,
   * unless one has failed.
   *
   * @param array $file As of getFile()
   * @return array|null entry (jq_pk), job, state (queued, running, done, incomplete, failed), items,
   *   asked, started, ended, message
   */
  public function getRecovery(array $file)
  {
    if (!$this->backupDao->isInstalled()) {
      return null;
    }
    $row = $this->dbManager->getSingleRow(
      "SELECT q.jq_pk, q.jq_job_fk, q.jq_endtext,
              extract(epoch FROM j.job_queued) AS asked,
              e.items, e.bits, e.started, e.ended, r.state, r.message,
              CASE WHEN NOT e.open OR wanted.request IS NOT NULL AND r.state = 'failed' THEN NULL
                   WHEN e.started IS NULL THEN 'queued' ELSE 'running' END AS standing
         FROM (SELECT jq_pk, NULL::integer AS request FROM jobqueue
                WHERE jq_type = $1 AND jq_args = $2
                UNION ALL
               SELECT o.jq_pk, a.id
                 FROM (SELECT id, job, parameters FROM backup_request WHERE verb = 'recover'
                        ORDER BY id DESC LIMIT $5) a
                 JOIN jobqueue o ON o.jq_job_fk = a.job
                WHERE o.jq_type = $1 AND o.jq_args IS NULL
                  AND (a.parameters->'blobs' @> to_jsonb($3::text)
                    OR a.parameters->'uploads' @> to_jsonb($4::integer)
                    OR a.parameters->'missing' = 'true')) wanted
         JOIN jobqueue q USING (jq_pk)
         JOIN job j ON j.job_pk = q.jq_job_fk
         CROSS JOIN LATERAL (
              SELECT sum(jq_itemsprocessed) AS items, max(jq_end_bits) AS bits,
                     extract(epoch FROM min(jq_starttime)) AS started,
                     extract(epoch FROM max(jq_endtime)) AS ended,
                     bool_or(jq_endtime IS NULL AND jq_end_bits < 2) AS open
                FROM jobqueue o
               WHERE o.jq_pk = q.jq_pk OR wanted.request IS NOT NULL
                     AND o.jq_job_fk = q.jq_job_fk AND o.jq_type = $1) e
         LEFT JOIN LATERAL (
              SELECT state, message FROM backup_request b
               WHERE b.id = wanted.request
                  OR wanted.request IS NULL AND b.job = q.jq_job_fk AND b.started >= q.jq_starttime
                     AND b.parameters->'uploads' @> to_jsonb($4::integer)
               ORDER BY b.id DESC LIMIT 1) r ON true
        ORDER BY q.jq_pk DESC LIMIT 1",
      array(RequestQueue::AGENT, (string)$file['upload'], $file['name'], $file['upload'],
        self::REQUESTS), __METHOD__);
    return $row === false ? null : self::recovery($row);
  }

  private static function recovery(array $row)
  {
    $number = function ($text) {
      return $text === null ? null : (float)$text;
    };
    if ($row['standing'] !== null) {
      $state = $row['standing'];
    } else if (in_array($row['state'], array('done', 'incomplete', 'failed'), true)) {
      $state = $row['state'];
    } else {
      // Ended by somebody, or by the scheduler: it could not say so itself.
      $state = $row['bits'] == 1 ? 'done' : 'failed';
    }
    return array(
      'entry' => (int)$row['jq_pk'],
      'job' => (int)$row['jq_job_fk'],
      'state' => $state,
      'items' => (int)$row['items'],
      'asked' => $number($row['asked']),
      'started' => $number($row['started']),
      'ended' => $row['standing'] === null ? $number($row['ended']) : null,
      'message' => $row['message'] ?: $row['jq_endtext']);
  }
}
