<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Lib\Db;

/**
 * @class DbManager
 * @brief Stand-in on a real connection: prepares by name and executes, as FOSSology's does
 *
 * FOSSology's is abstract and behind a driver; it also refuses a name that is used for another
 * statement, and so does this one.
 */
class DbManager
{
  private $connection;
  private $statements = array();
  private $depth = 0;

  public function __construct($connection)
  {
    $this->connection = $connection;
  }

  public function begin()
  {
    if ($this->depth++ === 0) {
      pg_query($this->connection, 'BEGIN');
    }
  }

  public function commit()
  {
    if (--$this->depth === 0) {
      pg_query($this->connection, 'COMMIT');
    }
  }

  public function rollback()
  {
    $this->depth--;
    pg_query($this->connection, 'ROLLBACK');
  }

  public function getSingleRow($sqlStatement, $params = array(), $statementName = '')
  {
    return pg_fetch_array($this->run($sqlStatement, $params, $statementName), null, PGSQL_ASSOC);
  }

  public function getRows($sqlStatement, $params = array(), $statementName = '')
  {
    return pg_fetch_all($this->run($sqlStatement, $params, $statementName)) ?: array();
  }

  public function queryOnce($sqlStatement, $sqlLog = '')
  {
    if (@pg_query($this->connection, $sqlStatement) === false) {
      throw new \Exception(pg_last_error($this->connection));
    }
  }

  public function booleanFromDb($booleanValue)
  {
    return $booleanValue === 't';
  }

  public function booleanToDb($booleanValue)
  {
    return $booleanValue ? 't' : 'f';
  }

  private function run($sql, array $params, $name)
  {
    if ($name === '') {
      throw new \Exception('a statement without a name');
    }
    if (isset($this->statements[$name]) && $this->statements[$name] !== $sql) {
      throw new \Exception("Existing Statement mismatch: $name");
    }
    $short = 's' . md5($name);
    if (!isset($this->statements[$name]) &&
      @pg_prepare($this->connection, $short, $sql) === false) {
      throw new \Exception(pg_last_error($this->connection) . ": $sql");
    }
    $this->statements[$name] = $sql;
    $result = @pg_execute($this->connection, $short, $params);
    if ($result === false) {
      throw new \Exception(pg_last_error($this->connection) . ": $sql");
    }
    return $result;
  }
}
