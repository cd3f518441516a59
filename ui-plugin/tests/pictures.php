<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief Takes the pictures of docs/: pictures.php URL CONNINFO USER PASSWORD FOLDER
 *
 * In a real FOSSology with the module installed; what our tables hold there IS REPLACED by a made-up
 * history, so it takes a copy of a database. CONNINFO names one with at least one unpacked upload.
 */
use Fossology\Backup\UI\Tests\Browser;
use Fossology\Backup\UI\Tests\History;
use Fossology\Lib\Db\DbManager;

require_once __DIR__ . '/bootstrap.php';

list(, $url, $conninfo, $user, $password, $folder) = $argv;
$manager = new DbManager(pg_connect($conninfo));
$manager->queryOnce('TRUNCATE backup_run, backup_request, backup_finding CASCADE');
History::backups($manager, 45);
History::run($manager, 'verify', 'done', 30);
History::run($manager, 'drill', 'done', 50);
$upload = $manager->getSingleRow('SELECT upload_fk AS pk, count(*) FROM uploadtree GROUP BY 1 ORDER BY 2 DESC
  LIMIT 1', array(), 'upload')['pk'];
$manager->getRows("INSERT INTO backup_finding (kind, tree, host, sha1, md5, size, pfile_fk, upload_fk, detail)
  SELECT 'missing', 'files', 'localhost', pfile_sha1, pfile_md5, pfile_size, pfile_pk, $1,
         'lies nowhere (recoverable_from_gold)'
    FROM (SELECT DISTINCT pfile_fk FROM uploadtree WHERE upload_fk = $1 AND ufile_name LIKE '%.c') t
    JOIN pfile ON pfile_pk = pfile_fk ORDER BY pfile_pk LIMIT 60", array($upload), 'findings');
$manager->queryOnce("INSERT INTO backup_finding (kind, tree, host, size, detail)
  SELECT 'debris', 'files', 'localhost', 12345, 'localhost/files/00/1a/2b/001a2b' || n || '.I: half-written'
    FROM generate_series(1, 7) n");
$missing = (int)$manager->getSingleRow("SELECT count(*) FROM backup_finding WHERE kind = 'missing'", array(),
  'missing')['count'];
History::run($manager, 'check', 'incomplete', 20, array('needed' => array('count' => 1976),
  'uploads' => array(), 'findings' => array(
    'missing' => array('count' => $missing, 'bytes' => 765432,
      'recovery' => array('recoverable_from_gold' => $missing)),
    'debris' => array('count' => 7, 'bytes' => 86415)),
  'hit' => array(array('upload' => (int)$upload, 'counts' => array('missing' => $missing)))), 'plain');

/** A picture in few colours, small enough for docs/ */
function picture(Browser $browser, $file, $height)
{
  $browser->shoot($file, 1250, $height);
  if (extension_loaded('gd')) {
    $image = imagescale(imagecreatefrompng($file), 1000);
    imagetruecolortopalette($image, false, 64);
    imagepng($image, $file, 9);
  }
  echo "$file: " . filesize($file) . " bytes\n";
}

$browser = new Browser();
$browser->open("$url?mod=auth");
$browser->type('input[name=username]', $user);
$browser->type('input[name=password]', $password);
$browser->run("document.querySelector('input[name=password]').form.submit()");
$browser->wait('body', 'logout');
$browser->open("$url?mod=backup");
picture($browser, "$folder/backup.png", 1370);
$browser->open("$url?mod=backup_findings");
picture($browser, "$folder/check-results.png", 640);

// A job that runs, as its agent would tell it.
$manager->queryOnce("INSERT INTO job (job_queued, job_name, job_user_fk)
    SELECT now(), 'fo_backup backup', user_pk FROM users LIMIT 1;
  INSERT INTO jobqueue (jq_job_fk, jq_type, jq_starttime) SELECT max(job_pk), 'backup', now() FROM job;
  INSERT INTO backup_request (instance, verb, parameters, who, state, job, host, counts)
    SELECT instance, 'backup', '{\"mode\": \"full\"}', 'fossy', 'running',
           (SELECT max(job_pk) FROM job), 'here', jsonb_build_object('progress',
             jsonb_build_object('here', jsonb_build_object('step', 'packing', 'done', 41234, 'of', 98765,
               'bytes', 1234567890, 'of_bytes', 3000000000::bigint,
               'since', extract(epoch FROM now())::bigint - 70)))
      FROM backup_instance");
$browser->open("$url?mod=backup");
$browser->wait('#backup-open .progress-bar', '%');
picture($browser, "$folder/backup-at-work.png", 460);
$manager->queryOnce("DELETE FROM job WHERE job_pk = (SELECT max(job_pk) FROM job)");

if ($manager->getSingleRow("SELECT to_regclass('backup_prune_upload') AS there", array(), 'prune')['there']) {
  $amount = function ($blobs, $bytes) {
    return array('blobs' => $blobs, 'bytes' => $bytes);
  };
  History::run($manager, 'prune', 'done', 1, array(
    'words' => array('drops everything that is no source code: images, archives, binaries',
      'keeps all of the 10 newest uploads', 'what goes has to be proven to come back from gold'),
    'files' => $amount(104211, 41200000000), 'pruned_before' => $amount(0, 0),
    'not_reproducible' => $amount(321, 9876543), 'drop' => $amount(60210, 31900000000),
    'proven' => $amount(58011, 30100000000), 'rules' => array(
      array('words' => 'keeps source code', 'drop' => $amount(0, 0), 'proven' => $amount(0, 0), 'share' => 0),
      array('words' => 'drops all else', 'drop' => $amount(60210, 31900000000),
        'proven' => $amount(58011, 30100000000), 'share' => 0.774))), 'dry-run source-only');
  $manager->queryOnce("INSERT INTO backup_prune_upload SELECT upload_pk, (SELECT max(id) FROM backup_run),
      CASE WHEN upload_pk % 3 = 0 THEN 'newest' END, upload_pk * 900, upload_pk * 123456789, 1, 1, 0, 0,
      upload_pk * 700, upload_pk * 103456789, upload_pk * 690, upload_pk * 101456789, 'gold', upload_pk * 7
    FROM upload WHERE pfile_fk IS NOT NULL ORDER BY upload_pk LIMIT 6
    ON CONFLICT (upload_fk) DO UPDATE SET run = excluded.run");
  $browser->open("$url?mod=backup_prune");
  picture($browser, "$folder/prune.png", 800);
}
