<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Rest;

use Fossology\Backup\UI\BackupDao;
use Fossology\Backup\UI\BackupPage;
use Fossology\Backup\UI\Retention;
use Fossology\Backup\UI\RunDao;
use Fossology\Lib\Db\DbManager;

/**
 * @class History
 * @brief What our tables say of backups, in the form in which the API gives it
 *
 * Times are RFC 3339, as everywhere in the API. Our tables have to be there.
 */
class History
{
  /** Among how many of the newest snapshots one is sought that the vault still has */
  const NEWEST = 100;

  /** @var DbManager */
  private $dbManager;
  /** @var BackupDao */
  private $backupDao;

  public function __construct(DbManager $dbManager, BackupDao $backupDao)
  {
    $this->dbManager = $dbManager;
    $this->backupDao = $backupDao;
  }

  /** @return array */
  public function status()
  {
    $newest = $this->asSnapshots($this->runs("verb = 'backup' AND state = 'done' AND snapshot IS NOT NULL",
      self::NEWEST, 0, __METHOD__ . '.newest'));
    $kept = array_values(array_filter($newest, function ($snapshot) {
      return $snapshot['kept'];
    }));
    $last = $this->runs("id IN (SELECT max(id) FROM backup_run GROUP BY verb)", 100, 0,
      __METHOD__ . '.last');
    $blobs = $this->dbManager->getRows(
      'SELECT kind, count(*) AS count FROM backup_blob_state GROUP BY kind', array(),
      __METHOD__ . '.blobs');
    $findings = $this->dbManager->getRows(
      'SELECT kind, count(*) AS count FROM backup_finding GROUP BY kind ORDER BY kind', array(),
      __METHOD__ . '.findings');
    $open = array_map(function ($request) {
      return array('request' => $request['id'], 'verb' => $request['verb'],
        'state' => $request['state'], 'job' => $request['job'], 'who' => $request['who'],
        'asked' => self::time($request['asked']), 'started' => self::time($request['started']));
    }, $this->backupDao->getOpenRequests());
    return array(
      'newestSnapshot' => $kept ? $kept[0] : null,
      'lastRuns' => array_map(array(__CLASS__, 'run'), $last),
      'openRequests' => $open,
      'pruned' => self::count($blobs, 'pruned'),
      'notReproducible' => self::count($blobs, 'not_reproducible'),
      'findings' => (object)array_map('intval', array_column($findings, 'count', 'kind')));
  }

  /**
   * @param int $page From 1
   * @param int $limit
   * @return array[]
   */
  public function snapshots($page, $limit)
  {
    $runs = $this->runs("verb = 'backup' AND snapshot IS NOT NULL AND state IN ('done', 'incomplete')",
      $limit, ($page - 1) * $limit, __METHOD__);
    return $this->asSnapshots($runs);
  }

  /**
   * @param int $limit
   * @return int
   */
  public function snapshotPages($limit)
  {
    $row = $this->dbManager->getSingleRow(
      "SELECT count(*) AS count FROM backup_run
        WHERE verb = 'backup' AND snapshot IS NOT NULL AND state IN ('done', 'incomplete')", array(),
      __METHOD__);
    return (int)ceil($row['count'] / $limit);
  }

  private function runs($where, $limit, $offset, $statement)
  {
    return $this->dbManager->getRows(
      "SELECT verb, mode, state, host, who, snapshot, counts, message, job,
              extract(epoch FROM started) AS started, extract(epoch FROM ended) AS ended
         FROM backup_run WHERE $where ORDER BY id DESC LIMIT \$1 OFFSET \$2",
      array($limit, $offset), $statement);
  }

  private static function run(array $row)
  {
    return array('verb' => $row['verb'], 'mode' => $row['mode'], 'state' => $row['state'],
      'host' => $row['host'], 'who' => $row['who'],
      'job' => $row['job'] === null ? null : (int)$row['job'],
      'started' => self::time($row['started']), 'ended' => self::time($row['ended']),
      'snapshot' => $row['snapshot'], 'message' => $row['message']);
  }

  private function asSnapshots(array $runs)
  {
    $dao = new RunDao($this->dbManager);
    $retention = new Retention($dao->getExpiries(BackupPage::EXPIRIES));
    return array_map(function ($row) use ($retention) {
      $name = $retention->nameNow($row['snapshot']);
      return array('id' => $name === null ? $row['snapshot'] : $name, 'mode' => $row['mode'],
        'complete' => $row['state'] === 'done', 'kept' => $name !== null,
        'started' => self::time($row['started']), 'ended' => self::time($row['ended']),
        'who' => $row['who'], 'counts' => (object)(json_decode($row['counts'], true) ?: array()));
    }, $runs);
  }

  private static function count(array $rows, $kind)
  {
    $counts = array_column($rows, 'count', 'kind');
    return isset($counts[$kind]) ? (int)$counts[$kind] : 0;
  }

  private static function time($epoch)
  {
    return $epoch === null ? null : date(DATE_ATOM, (int)$epoch);
  }
}
