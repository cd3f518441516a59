<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Db\DbManager;

/**
 * @class BackupDao
 * @brief Reads our tables
 *
 * They may be absent, before 'fo_backup install' made them or after an uninstall: isInstalled()
 * says so, and everything else must not be asked then. Times are seconds since 1970, JSON is
 * decoded, and where a state says that somebody is at work it is checked against FOSSology's queue,
 * since a process that was killed could not say so itself.
 */
class BackupDao
{
  /** The oldest schema that these pages can read */
  const SCHEMA = 3;

  /** @var DbManager */
  private $dbManager;
  /** @var array Names of tables that were looked for */
  private $known = array();

  public function __construct(DbManager $dbManager)
  {
    $this->dbManager = $dbManager;
  }

  /**
   * @brief Whether our tables are there, and new enough
   * @return bool
   */
  public function isInstalled()
  {
    if (!$this->hasTable('backup_instance')) {
      return false;
    }
    $row = $this->dbManager->getSingleRow('SELECT schema_version FROM backup_instance', array(),
      __METHOD__);
    return $row !== false && $row['schema_version'] >= self::SCHEMA;
  }

  /**
   * @brief Whether one of our tables is there
   * @param string $name
   * @return bool
   */
  public function hasTable($name)
  {
    if (empty($this->known[$name])) {
      $row = $this->dbManager->getSingleRow('SELECT to_regclass($1::text) IS NOT NULL AS there',
        array($name), __METHOD__);
      $this->known[$name] = $this->dbManager->booleanFromDb($row['there']);
    }
    return $this->known[$name];
  }

  /**
   * @brief What is expected, as the host has told it that wakes the tasks
   * @return array 'limits' (how old the last run of a verb may be, in seconds by verb; what is not
   *   there is not missed), null where nobody has told yet, and 'since' (when our tables were made)
   */
  public function getExpected()
  {
    $row = $this->dbManager->getSingleRow(
      // As JSON, since tables of an older schema have no such column.
      "SELECT to_jsonb(i)->>'limits' AS limits, extract(epoch FROM made) AS since
         FROM backup_instance i", array(), __METHOD__);
    return array('limits' => $row['limits'] === null ? null : self::json($row['limits']),
      'since' => self::number($row['since']));
  }

  /**
   * @brief A request as it stands
   * @param int $id
   * @return array|null id, verb, parameters, who, asked, state, job, host, started, ended, counts,
   *   message, and 'entry' with jq_pk, items (done so far), started of what the queue has for it
   */
  public function getRequest($id)
  {
    $rows = $this->requests('r.id = $1', array($id), __METHOD__);
    return $rows ? $rows[0] : null;
  }

  /**
   * @brief Requests that wait or are carried out, oldest first
   * @return array[] As of getRequest()
   */
  public function getOpenRequests()
  {
    $rows = $this->requests("r.state IN ('queued', 'running')", array(), __METHOD__);
    return array_values(array_filter($rows, function ($row) {
      return in_array($row['state'], array('queued', 'running'), true);
    }));
  }

  private function requests($where, array $parameters, $statement)
  {
    $rows = $this->dbManager->getRows(
      "SELECT r.id, r.verb, r.parameters, r.who, r.state, r.job, r.host, r.counts, r.message,
              extract(epoch FROM r.asked) AS asked, extract(epoch FROM r.started) AS started,
              extract(epoch FROM r.ended) AS ended,
              q.entry, q.items, extract(epoch FROM q.first) AS entry_started, q.open
         FROM backup_request r
         LEFT JOIN (
              SELECT jq_job_fk, max(jq_pk) AS entry, sum(jq_itemsprocessed) AS items,
                     min(jq_starttime) AS first,
                     bool_or(jq_endtime IS NULL AND jq_end_bits < 2) AS open
                FROM jobqueue
               WHERE jq_job_fk IN (SELECT r.job FROM backup_request r WHERE $where)
               GROUP BY jq_job_fk) q ON q.jq_job_fk = r.job
        WHERE $where ORDER BY r.id DESC LIMIT 100", $parameters, $statement);
    return array_map(array($this, 'request'), array_reverse($rows));
  }

  private function request(array $row)
  {
    $open = $this->dbManager->booleanFromDb($row['open']);
    $state = $row['state'];
    $message = $row['message'];
    if (!$open && ($state === 'queued' || $state === 'running')) {
      $state = 'failed';
      $message = $message ?: _("It was ended from outside, by the job list or the scheduler.");
    }
    return array(
      'id' => (int)$row['id'],
      'verb' => $row['verb'],
      'parameters' => self::json($row['parameters']),
      'who' => $row['who'],
      'asked' => self::number($row['asked']),
      'state' => $state,
      'job' => $row['job'] === null ? null : (int)$row['job'],
      'host' => $row['host'],
      'started' => self::number($row['started']),
      'ended' => self::number($row['ended']),
      'counts' => self::json($row['counts']),
      'message' => $message,
      'entry' => $row['entry'] === null ? null : array(
        'jq_pk' => (int)$row['entry'],
        'items' => (int)$row['items'],
        'started' => self::number($row['entry_started'])));
  }

  /**
   * @brief What is known of a blob: removed on purpose, or not made by unpacking
   * @param int $pfileId
   * @return array|null kind (pruned, not_reproducible), since, why, and for what was pruned proof
   *   (gold, vault, both): what was proven to give it back
   */
  public function getBlobState($pfileId)
  {
    $row = $this->dbManager->getSingleRow(
      // As JSON, since tables of an older schema have no such column.
      "SELECT kind, extract(epoch FROM since) AS since, why, to_jsonb(s)->>'proof' AS proof
         FROM backup_blob_state s WHERE pfile_pk = $1", array($pfileId), __METHOD__);
    if ($row === false) {
      return null;
    }
    return array('kind' => $row['kind'], 'since' => self::number($row['since']),
      'why' => $row['why'], 'proof' => $row['proof']);
  }

  /** @return array */
  protected static function json($text)
  {
    $value = $text === null ? null : json_decode($text, true);
    return is_array($value) ? $value : array();
  }

  /** @return float|null */
  protected static function number($text)
  {
    return $text === null || $text === '' ? null : (float)$text;
  }
}
