<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Db\DbManager;

/**
 * @class FindingDao
 * @brief Reads what the last check found, table backup_finding, a page at a time
 *
 * There may be a million rows. A page begins where the one before ended, which an index finds at
 * once; nothing is counted here, since the check has counted it all.
 */
class FindingDao
{
  /** @var DbManager */
  private $dbManager;

  public function __construct(DbManager $dbManager)
  {
    $this->dbManager = $dbManager;
  }

  /**
   * @brief A page of findings
   * @param string|null $kind Only of this kind
   * @param int|null $upload Only what hits this upload
   * @param array|null $after Kind and id of the last one of the page before
   * @param int $limit
   * @return array[] id, kind, tree, host, blob (its name or null), size, pfile, upload,
   *   uploadName, item (uploadtree_pk or null), parent, name, detail, recovery (or null)
   */
  public function getPage($kind, $upload, $after, $limit)
  {
    $where = array('true');
    $parameters = array();
    $order = 'f.id';
    if ($kind !== null) {
      $parameters[] = $kind;
      $where[] = 'f.kind = $' . count($parameters);
    }
    if ($upload !== null) {
      $parameters[] = $upload;
      $where[] = 'f.upload_fk = $' . count($parameters);
    }
    if ($upload !== null && $kind === null) {
      $order = 'f.kind, f.id';
      if ($after !== null) {
        array_push($parameters, $after[0], $after[1]);
        $where[] = '(f.kind, f.id) > ($' . (count($parameters) - 1) . ', $' . count($parameters) . ')';
      }
    } else if ($after !== null) {
      $parameters[] = $after[1];
      $where[] = 'f.id > $' . count($parameters);
    }
    $condition = implode(' AND ', $where);
    $parameters[] = $limit;
    $last = '$' . count($parameters);
    $rows = $this->dbManager->getRows("SELECT f.*, u.upload_filename, t.uploadtree_pk, t.parent, t.ufile_name
      FROM (SELECT * FROM backup_finding f WHERE $condition ORDER BY $order LIMIT $last) f
      LEFT JOIN upload u ON u.upload_pk = f.upload_fk
      LEFT JOIN LATERAL (SELECT uploadtree_pk, parent, ufile_name FROM uploadtree
        WHERE pfile_fk = f.pfile_fk AND upload_fk = f.upload_fk LIMIT 1) t ON true
      ORDER BY $order", $parameters, __METHOD__ . '.' . md5($condition));
    return array_map(array(__CLASS__, 'finding'), $rows);
  }

  /**
   * @brief Names of uploads
   * @param int[] $uploads
   * @return string[] By their numbers
   */
  public function getUploadNames(array $uploads)
  {
    $rows = $this->dbManager->getRows('SELECT upload_pk, upload_filename FROM upload
      WHERE upload_pk = ANY ($1::int[])', array('{' . implode(',', array_map('intval', $uploads)) . '}'),
      __METHOD__);
    return array_column($rows, 'upload_filename', 'upload_pk');
  }

  private static function finding(array $row)
  {
    $detail = (string)$row['detail'];
    $recovery = null;
    // The check appends how it could come back.
    if (preg_match('/ \((other_tree|recoverable_from_(?:gold|vault|web)|lost)\)$/D', $detail, $found)) {
      $recovery = $found[1];
      $detail = substr($detail, 0, -strlen($found[0]));
    }
    $number = function ($value) {
      return $value === null ? null : (int)$value;
    };
    return array(
      'id' => (int)$row['id'],
      'kind' => $row['kind'],
      'tree' => $row['tree'],
      'host' => $row['host'],
      'blob' => $row['sha1'] === null ? null :
        strtolower($row['sha1'] . '.' . $row['md5']) . '.' . $row['size'],
      'size' => (float)$row['size'],
      'pfile' => $number($row['pfile_fk']),
      'upload' => $number($row['upload_fk']),
      'uploadName' => $row['upload_filename'],
      'item' => $number($row['uploadtree_pk']),
      'parent' => $number($row['parent']),
      'name' => $row['ufile_name'],
      'detail' => $detail,
      'recovery' => $recovery);
  }
}
