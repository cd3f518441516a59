<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Db\DbManager;

/**
 * @class PruneDao
 * @brief Reads what the last plan of pruning says: a run of the history, and a row for each upload
 */
class PruneDao
{
  /** What its run is called that removed nothing: this before the policy's name */
  const REHEARSAL = 'dry-run ';

  /** @var DbManager */
  private $dbManager;

  public function __construct(DbManager $dbManager)
  {
    $this->dbManager = $dbManager;
  }

  /**
   * @brief What the last plan says of uploads, those of which most goes first
   * @param int $run The plan's run
   * @param int $limit
   * @param int $offset
   * @return array[] The columns of backup_prune_upload, and upload_filename
   */
  public function getUploads($run, $limit, $offset)
  {
    return $this->dbManager->getRows('SELECT p.*, u.upload_filename
        FROM (SELECT * FROM backup_prune_upload WHERE run = $1
               ORDER BY drop_bytes DESC, pruned_bytes DESC, upload_fk LIMIT $2 OFFSET $3) p
        JOIN upload u ON u.upload_pk = p.upload_fk
       ORDER BY drop_bytes DESC, pruned_bytes DESC, upload_fk', array($run, $limit, $offset), __METHOD__);
  }
}
