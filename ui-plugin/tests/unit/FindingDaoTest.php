<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\FindingDao;
use Fossology\Lib\Db\DbManager;
use PHPUnit\Framework\TestCase;

/** Keeps how the database goes about each statement */
class ExplainingDbManager extends DbManager
{
  public $plans = array();

  public function getRows($sqlStatement, $params = array(), $statementName = '')
  {
    $plan = parent::getRows("EXPLAIN $sqlStatement", $params, "explain.$statementName");
    $this->plans[$statementName] = implode("\n", array_column($plan, 'QUERY PLAN'));
    return parent::getRows($sqlStatement, $params, $statementName);
  }
}

/** On a real PostgreSQL */
class FindingDaoTest extends TestCase
{
  /** @var ExplainingDbManager */
  private static $manager;

  /** 30,000 findings of three kinds in two uploads and in none; some hit both */
  public static function setUpBeforeClass(): void
  {
    $connection = pg_connect(Cluster::get()->database(), PGSQL_CONNECT_FORCE_NEW);
    self::$manager = new ExplainingDbManager($connection);
    self::$manager->queryOnce("
      INSERT INTO upload (upload_pk, upload_filename, user_fk, upload_mode)
        VALUES (1, 'one', 3, 104), (2, 'two', 3, 104);
      INSERT INTO backup_finding (kind, tree, host, sha1, md5, size, pfile_fk, upload_fk, detail)
        SELECT CASE WHEN n % 100 = 0 THEN 'orphan' WHEN n % 2 = 0 THEN 'missing' ELSE 'corrupt' END, 'files',
               'localhost', upper(lpad(to_hex(n), 40, '0')), upper(lpad(to_hex(n), 32, '0')), n, n,
               CASE WHEN n % 100 = 0 THEN NULL WHEN n % 50 = 1 THEN 2 ELSE 1 END, 'seen (lost)'
          FROM generate_series(1, 30000) n;
      ANALYZE");
  }

  public static function tearDownAfterClass(): void
  {
    self::$manager = null;
  }

  /** @return int[] The ids of all pages */
  private function walk($kind, $upload)
  {
    $dao = new FindingDao(self::$manager);
    $ids = array();
    $after = null;
    do {
      $page = $dao->getPage($kind, $upload, $after, 1000);
      foreach ($page as $row) {
        $ids[] = $row['id'];
        $after = array($row['kind'], (string)$row['id']);
      }
    } while (count($page) === 1000);
    return $ids;
  }

  public function testThePagesOfEachFilterGiveEachFindingOnce()
  {
    foreach (array(
      array(null, null, 'true'),
      array('missing', null, "kind = 'missing'"),
      array('orphan', null, "kind = 'orphan'"),
      array(null, 1, 'upload_fk = 1'),
      array(null, 2, 'upload_fk = 2'),
      array('corrupt', 2, "upload_fk = 2 AND kind = 'corrupt'"),
      array('orphan', 1, "upload_fk = 1 AND kind = 'orphan'")) as $case) {
      list($kind, $upload, $condition) = $case;
      $ids = $this->walk($kind, $upload);
      $this->assertSame(count($ids), count(array_unique($ids)), $condition);
      $there = self::$manager->getSingleRow("SELECT count(*) FROM backup_finding WHERE $condition", array(),
        "count $condition");
      $this->assertSame((int)$there['count'], count($ids), $condition);
    }
  }

  public function testAPageIsFoundByAnIndexFromWhereTheOneBeforeEnded()
  {
    self::$manager->plans = array();
    $dao = new FindingDao(self::$manager);
    foreach (array(null, array('missing', '15000')) as $after) {
      $dao->getPage(null, null, $after, 51);
      $dao->getPage('missing', null, $after, 51);
      $dao->getPage(null, 1, $after, 51);
      $dao->getPage('missing', 1, $after, 51);
    }
    $this->assertCount(8, self::$manager->plans);
    foreach (self::$manager->plans as $plan) {
      $this->assertStringNotContainsString('Seq Scan on backup_finding', $plan);
      // A part of the table is sorted nowhere; the page itself may be, after it was found.
      $this->assertDoesNotMatchRegularExpression('/Limit[^\n]*\n\s*->\s+Sort/', $plan);
    }
  }

  public function testAFindingIsTakenApart()
  {
    list($row) = (new FindingDao(self::$manager))->getPage('corrupt', 2, null, 1);
    $this->assertSame(array('seen', 'lost', 'one' === $row['uploadName'] ? 1 : 2, 1.0),
      array($row['detail'], $row['recovery'], $row['upload'], $row['size']));
    $this->assertSame(sprintf('%040x.%032x.1', 1, 1), $row['blob']);
    $this->assertNull($row['item'], 'its upload has no such file any more');
  }
}
