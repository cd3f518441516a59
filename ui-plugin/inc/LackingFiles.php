<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Dao\UploadDao;
use Fossology\Lib\Db\DbManager;

/**
 * @class LackingFiles
 * @brief Whether an upload lacks files that may come back, as far as a page can afford to look
 *
 * The agent looks at every file, which takes minutes where there are millions. Here the tables give
 * hints (what was pruned, what the last check missed), to which come files from all over the
 * upload: all of them up to SOME. Only a file that is not there now counts. What no archive gives
 * does not: nobody should wait for it.
 */
class LackingFiles
{
  /** How many of an upload's files are looked at */
  const SOME = 2000;
  /** How many files that a table calls missing are looked at */
  const HINTS = 200;
  /** That a blob p never comes out of an archive: known as that, or FOSSology's notes about one */
  const NEVER_UNPACKED = "(EXISTS (SELECT 1 FROM backup_blob_state s
                 WHERE s.pfile_pk = p.pfile_pk AND s.kind = 'not_reproducible')
          OR EXISTS (SELECT 1 FROM uploadtree n WHERE n.pfile_fk = p.pfile_pk
                 AND n.ufile_name = 'artifact.meta' AND n.ufile_mode & (1 << 28) <> 0))";
  /** After so many seconds of looking it is enough */
  const PATIENCE = 1.0;

  /** @var DbManager */
  private $dbManager;
  /** @var RepositoryFiles */
  private $files;
  /** @var int How many of an upload's files are looked at */
  private $some;
  /** @var array What was found out in this request, by upload */
  private $known = array();

  public function __construct(DbManager $dbManager, RepositoryFiles $files, $some = self::SOME)
  {
    $this->some = $some;
    $this->dbManager = $dbManager;
    $this->files = $files;
  }

  /**
   * @param int $uploadId
   * @return bool
   */
  public function lacks($uploadId)
  {
    $uploadId = (int)$uploadId;
    if (!isset($this->known[$uploadId])) {
      $this->known[$uploadId] = !$this->isBeingUnpacked($uploadId) && $this->look($uploadId);
    }
    return $this->known[$uploadId];
  }

  /**
   * @brief Whether its files are on their way
   * @param int $uploadId
   * @return bool
   */
  public function isBeingUnpacked($uploadId)
  {
    $row = $this->dbManager->getSingleRow(
      "SELECT 1 AS found FROM jobqueue JOIN job ON job_pk = jq_job_fk
        WHERE job_upload_fk = $1 AND jq_type = 'ununpack' AND jq_endtime IS NULL AND jq_end_bits < 2
        LIMIT 1", array($uploadId), __METHOD__);
    return $row !== false;
  }

  /**
   * @brief Uploads from which this one reuses decisions where files are nearly the same
   * @param int $uploadId
   * @return int[]
   */
  public function comparedWith($uploadId)
  {
    $rows = $this->dbManager->getRows('SELECT DISTINCT reused_upload_fk FROM upload_reuse
      WHERE upload_fk = $1 AND reuse_mode & $2 <> 0 ORDER BY reused_upload_fk',
      array($uploadId, UploadDao::REUSE_ENHANCED), __METHOD__);
    return array_map('intval', array_column($rows, 'reused_upload_fk'));
  }

  private function look($uploadId)
  {
    if (!$this->files->isReachable()) {
      return false;
    }
    $until = microtime(true) + self::PATIENCE;
    foreach (array('hints', 'some') as $kind) {
      foreach ($this->$kind($uploadId) as $row) {
        if (!$this->files->has('files', $row['name'])) {
          return true;
        }
        if (microtime(true) > $until) {
          return false;
        }
      }
    }
    return false;
  }

  private function hints($uploadId)
  {
    return $this->dbManager->getRows(
      "SELECT p.pfile_sha1 || '.' || p.pfile_md5 || '.' || p.pfile_size AS name
         FROM (SELECT s.pfile_pk FROM uploadtree t JOIN backup_blob_state s ON s.pfile_pk = t.pfile_fk
                WHERE t.upload_fk = $1 AND s.kind = 'pruned' LIMIT $2) pruned
         JOIN pfile p ON p.pfile_pk = pruned.pfile_pk
        UNION ALL
       SELECT p.pfile_sha1 || '.' || p.pfile_md5 || '.' || p.pfile_size
         FROM (SELECT pfile_fk FROM backup_finding
                WHERE upload_fk = $1 AND kind = 'missing' AND pfile_fk IS NOT NULL
                LIMIT $2) found
         JOIN pfile p ON p.pfile_pk = found.pfile_fk
        WHERE NOT " . self::NEVER_UNPACKED,
      array($uploadId, self::HINTS), __METHOD__);
  }

  private function some($uploadId)
  {
    return $this->dbManager->getRows(
      "WITH blobs AS (SELECT DISTINCT pfile_fk FROM uploadtree WHERE upload_fk = $1 AND pfile_fk > 0),
            counted AS (SELECT pfile_fk, row_number() OVER (ORDER BY pfile_fk) AS number,
                               count(*) OVER () AS total FROM blobs)
       SELECT p.pfile_sha1 || '.' || p.pfile_md5 || '.' || p.pfile_size AS name
         FROM counted JOIN pfile p ON p.pfile_pk = pfile_fk
        WHERE number % ((total + $2 - 1) / $2) = 0 AND NOT " . self::NEVER_UNPACKED,
      array($uploadId, $this->some), __METHOD__);
  }
}
