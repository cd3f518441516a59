<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Lib\Db\DbManager;

/**
 * @class History
 * @brief Rows of our tables as the program leaves them
 */
class History
{
  /**
   * @brief Backups, one a day, the newest an hour old
   */
  public static function backups(DbManager $manager, $count)
  {
    $manager->getRows("INSERT INTO backup_run
        (verb, mode, started, ended, host, who, state, snapshot, counts)
      SELECT 'backup', CASE WHEN n % 7 = 3 THEN 'gold' ELSE 'full' END, at, at + n % 50 * interval '7 s',
             'fossology', 'fossy', 'done', to_char(at, 'YYYYMMDD\"T\"HH24MISS\"Z\"-')
               || lpad(n::text, 8, '0'),
             jsonb_build_object('gold', 100 + n, 'gold_bytes', (40 + n / 2) * 1000000000::bigint,
               'files', 100000 + 900 * n, 'files_bytes', (150 + 2 * n) * 1000000000::bigint,
               'new', 900, 'new_bytes', (1 + n * 7 % 5) * 400000000::bigint, 'stored_bytes',
               (1 + n * 7 % 5) * 130000000::bigint, 'missing', 0, 'corrupt', 0, 'deleted', 0)
        FROM (SELECT n, now() - interval '1 hour' - ($1::int - n) * interval '1 day' AS at
                FROM generate_series(1, $1::int) n) days", array($count), 'history.backups');
  }

  /** @brief A run of another verb, ended some hours ago */
  public static function run(DbManager $manager, $verb, $state, $hours, array $counts = array(), $mode = null)
  {
    $manager->getRows("INSERT INTO backup_run (verb, mode, started, ended, host, who, state, counts)
      VALUES ($1, $5, now() - $3::int * interval '1 hour',
        now() - $3::int * interval '1 hour' + interval '2 min', 'fossology', 'fossy', $2, $4::jsonb)",
      array($verb, $state, $hours, json_encode((object)$counts), $mode), 'history.run');
  }

  /** @brief An upload of some files, all of them missing as the check tells */
  public static function losses(DbManager $manager, $files)
  {
    $manager->queryOnce("
      INSERT INTO pfile (pfile_pk, pfile_sha1, pfile_md5, pfile_size)
        SELECT n, upper(lpad(to_hex(n), 40, '0')), upper(lpad(to_hex(n), 32, '0')), n
          FROM generate_series(1, $files) n;
      INSERT INTO upload (upload_pk, upload_filename, user_fk, upload_mode, pfile_fk)
        VALUES (1, 'busy<b>box.tar.gz', 3, 104, 1);
      INSERT INTO uploadtree_a (uploadtree_pk, parent, upload_fk, pfile_fk, ufile_mode, lft, rgt, ufile_name)
        SELECT n, CASE WHEN n > 1 THEN 1 END, 1, n, 33188, 2 * n, 2 * n + 1, 'a&' || n || '.c'
          FROM generate_series(1, $files) n;
      INSERT INTO backup_finding (kind, tree, host, sha1, md5, size, pfile_fk, upload_fk, detail)
        SELECT 'missing', 'files', 'localhost', pfile_sha1, pfile_md5, pfile_size, pfile_pk, 1,
               'lies nowhere (recoverable_from_gold)' FROM pfile ORDER BY pfile_pk;
      INSERT INTO backup_finding (kind, tree, host, size, detail)
        VALUES ('debris', 'gold', 'localhost', 12, 'gold/00/11/<script>alert(1)</script>.I: half-written')");
    self::run($manager, 'check', 'incomplete', 5, array('needed' => array('count' => $files, 'bytes' => 5),
      'uploads' => array(), 'findings' => array(
        'missing' => array('count' => $files, 'bytes' => $files * ($files + 1) / 2,
          'recovery' => array('recoverable_from_gold' => $files)),
        'debris' => array('count' => 1, 'bytes' => 12)),
      'hit' => array(array('upload' => 1, 'counts' => array('missing' => $files)))), 'plain');
  }
}
