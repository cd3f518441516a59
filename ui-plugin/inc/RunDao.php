<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Db\DbManager;

/**
 * @class RunDao
 * @brief Reads the history of runs, table backup_run. Times are seconds since 1970
 */
class RunDao
{
  const COLUMNS = "id, verb, mode, extract(epoch FROM started) AS started,
    extract(epoch FROM ended) AS ended, host, who, state, snapshot, counts, message, request, job";

  /** @var DbManager */
  private $dbManager;

  public function __construct(DbManager $dbManager)
  {
    $this->dbManager = $dbManager;
  }

  /**
   * @brief The newest run of a verb that ended in one of these states
   * @param string $verb
   * @param string[] $states
   * @return array|null
   */
  public function newest($verb, array $states = array('done', 'incomplete', 'failed'))
  {
    $rows = $this->dbManager->getRows('SELECT ' . self::COLUMNS . ' FROM backup_run
      WHERE verb = $1 AND state = ANY ($2::text[]) ORDER BY started DESC LIMIT 1',
      array($verb, '{' . implode(',', $states) . '}'), __METHOD__);
    return $rows ? self::run($rows[0]) : null;
  }

  /**
   * @brief The newest check of all uploads that came to its end
   * @return array|null
   */
  public function newestFullCheck()
  {
    $rows = $this->dbManager->getRows("SELECT " . self::COLUMNS . " FROM backup_run
      WHERE verb = 'check' AND state IN ('done', 'incomplete')
        AND coalesce(counts->'uploads', '[]') = '[]' ORDER BY started DESC LIMIT 1",
      array(), __METHOD__);
    return $rows ? self::run($rows[0]) : null;
  }

  /**
   * @brief Backups that ended, newest first
   * @param int $limit How many
   * @param int|null $before Only older ones than that run
   * @return array[]
   */
  public function getBackups($limit, $before = null)
  {
    $rows = $this->dbManager->getRows("SELECT " . self::COLUMNS . " FROM backup_run
      WHERE verb = 'backup' AND state <> 'running' AND id < $1 ORDER BY id DESC LIMIT $2",
      array($before === null ? 2147483647 : (int)$before, (int)$limit), __METHOD__);
    return array_map(array(__CLASS__, 'run'), $rows);
  }

  /**
   * @brief Backups that made a snapshot, oldest first: the newest of them
   * @param int $limit
   * @return array[]
   */
  public function getSnapshots($limit)
  {
    $rows = $this->dbManager->getRows("SELECT " . self::COLUMNS . " FROM backup_run
      WHERE verb = 'backup' AND snapshot IS NOT NULL ORDER BY id DESC LIMIT $1",
      array((int)$limit), __METHOD__);
    return array_map(array(__CLASS__, 'run'), array_reverse($rows));
  }

  /**
   * @brief How much backups older than a run have added to the vault
   * @param int $before The run
   * @return float Bytes
   */
  public function getAddedBefore($before)
  {
    $row = $this->dbManager->getSingleRow("SELECT sum((counts->>'stored_bytes')::numeric) AS bytes
      FROM backup_run WHERE verb = 'backup' AND snapshot IS NOT NULL AND id < $1", array($before),
      __METHOD__);
    return (float)$row['bytes'];
  }

  /**
   * @brief Runs that applied retention, oldest first: the newest of them
   * @param int $limit
   * @return array[]
   */
  public function getExpiries($limit)
  {
    $rows = $this->dbManager->getRows("SELECT " . self::COLUMNS . " FROM backup_run
      WHERE verb = 'expire' AND state IN ('done', 'incomplete') ORDER BY id DESC LIMIT $1",
      array((int)$limit), __METHOD__);
    return array_map(array(__CLASS__, 'run'), array_reverse($rows));
  }

  /**
   * @brief How much was pruned, as each plan or removal saw it, oldest first
   * @param int $limit
   * @return array[] 'started', and 'bytes'
   */
  public function getPruned($limit)
  {
    $rows = $this->dbManager->getRows("SELECT extract(epoch FROM started) AS started,
        coalesce((counts->'pruned_before'->>'bytes')::numeric, 0) +
        coalesce((counts->'removed'->>'bytes')::numeric, 0) AS bytes
      FROM backup_run WHERE verb = 'prune' AND state IN ('done', 'incomplete')
      ORDER BY started DESC LIMIT $1", array($limit), __METHOD__);
    return array_map(function ($row) {
      return array('started' => (float)$row['started'], 'bytes' => (float)$row['bytes']);
    }, array_reverse($rows));
  }

  /**
   * @brief The run that made a snapshot
   * @param string $snapshot
   * @return array|null
   */
  public function getSnapshot($snapshot)
  {
    $rows = $this->dbManager->getRows("SELECT " . self::COLUMNS . " FROM backup_run
      WHERE verb = 'backup' AND snapshot = $1 ORDER BY id DESC LIMIT 1", array($snapshot), __METHOD__);
    return $rows ? self::run($rows[0]) : null;
  }

  private static function run(array $row)
  {
    foreach (array('started', 'ended') as $time) {
      $row[$time] = $row[$time] === null ? null : (float)$row[$time];
    }
    foreach (array('id', 'request', 'job') as $number) {
      $row[$number] = $row[$number] === null ? null : (int)$row[$number];
    }
    $counts = json_decode($row['counts'], true);
    $row['counts'] = is_array($counts) ? $counts : array();
    $row['seconds'] = $row['ended'] === null ? null : $row['ended'] - $row['started'];
    return $row;
  }
}
