<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief How fast the administrators' pages are with a million findings and a thousand snapshots
 *
 * Without arguments on a database and a web server of its own. With 'URL CONNINFO USER PASSWORD' on a
 * real FOSSology, beside its own Browse page; what our tables hold there IS REPLACED, so it takes a
 * copy of a database. Ends with 1 when a page takes longer than 300 ms in the middle of 15 tries.
 */
use Fossology\Backup\UI\Tests\History;
use Fossology\Backup\UI\Tests\Site;
use Fossology\Lib\Db\DbManager;

require_once __DIR__ . '/bootstrap.php';

const FINDINGS = 1000000;
const SNAPSHOTS = 1000;
const TRIES = 15;
const LIMIT = 0.3;

function fill(DbManager $manager)
{
  $manager->queryOnce('TRUNCATE backup_run, backup_request, backup_finding CASCADE');
  History::backups($manager, SNAPSHOTS);
  History::run($manager, 'verify', 'done', 30);
  // As many files in one upload as a large one has, each of them missing; some thousand of nobody's.
  $manager->queryOnce("
    DELETE FROM upload WHERE upload_pk = 4711;
    INSERT INTO upload (upload_pk, upload_filename, user_fk, upload_mode)
      VALUES (4711, 'a million', 3, 104);
    INSERT INTO pfile (pfile_pk, pfile_sha1, pfile_md5, pfile_size)
      SELECT 100000000 + n, upper(lpad(to_hex(n), 40, 'f')), upper(lpad(to_hex(n), 32, 'f')), n
        FROM generate_series(1, " . FINDINGS . ") n ON CONFLICT DO NOTHING;
    INSERT INTO uploadtree_a (uploadtree_pk, parent, upload_fk, pfile_fk, ufile_mode, lft, rgt, ufile_name)
      SELECT 100000000 + n, CASE WHEN n > 1 THEN 100000001 END, 4711, 100000000 + n, 33188,
             2 * n, 2 * n + 1, n || '.c' FROM generate_series(1, " . FINDINGS . ") n ON CONFLICT DO NOTHING;
    INSERT INTO backup_finding (kind, tree, host, sha1, md5, size, pfile_fk, upload_fk, detail)
      SELECT CASE WHEN n % 1000 = 0 THEN 'orphan' ELSE 'missing' END, 'files', 'localhost',
             pfile_sha1, pfile_md5, pfile_size, pfile_pk, 4711, 'lies nowhere (recoverable_from_gold)'
        FROM pfile JOIN generate_series(1, " . FINDINGS . ") n ON pfile_pk = 100000000 + n;
    ANALYZE");
  $missing = FINDINGS - FINDINGS / 1000;
  History::run($manager, 'check', 'incomplete', 5, array('needed' => array('count' => FINDINGS),
    'uploads' => array(), 'findings' => array('missing' => array('count' => $missing, 'bytes' => 1),
      'orphan' => array('count' => FINDINGS / 1000, 'bytes' => 1)),
    'hit' => array(array('upload' => 4711, 'counts' => array('missing' => $missing)))), 'plain');
}

/** @return array Seconds of each try, sorted, and the page */
function measure($url, $cookie)
{
  $times = array();
  for ($try = 0; $try < TRIES; $try++) {
    $started = microtime(true);
    $page = (string)file_get_contents($url, false,
      stream_context_create(array('http' => array('header' => "Cookie: $cookie\r\nConnection: close"))));
    $times[] = microtime(true) - $started;
  }
  sort($times);
  return array($times, $page);
}

/** The cookies of an answer, and those from before that it leaves */
function cookie(array $headers, $before = '')
{
  $cookies = array();
  foreach (array_filter(explode('; ', $before)) as $one) {
    $cookies[strtok($one, '=')] = $one;
  }
  foreach ($headers as $header) {
    if (preg_match('/^Set-Cookie: ([^;]+)/i', $header, $found)) {
      $cookies[strtok($found[1], '=')] = $found[1];
    }
  }
  return implode('; ', $cookies);
}

$real = count($argv) === 5;
if ($real) {
  list(, $url, $conninfo, $user, $password) = $argv;
  $manager = new DbManager(pg_connect($conninfo));
  file_get_contents("$url?mod=auth");
  $cookie = cookie($http_response_header);
  $form = http_build_query(array('username' => $user, 'password' => $password));
  file_get_contents("$url?mod=auth", false, stream_context_create(array('http' => array(
    'method' => 'POST', 'follow_location' => 0, 'content' => $form,
    'header' => "Content-Type: application/x-www-form-urlencoded\r\nCookie: $cookie"))));
  $cookie = cookie($http_response_header, $cookie);
} else {
  $site = new Site();
  $url = $site->url;
  $manager = $site->manager;
  file_get_contents("$url?login=fossy");
  $cookie = cookie($http_response_header);
}
fill($manager);
$middle = (int)$manager->getSingleRow('SELECT min(id) AS id FROM backup_finding', array(), 'first')['id'] +
  intdiv(FINDINGS, 2);
$backup = (int)$manager->getSingleRow("SELECT min(id) AS id FROM backup_run WHERE verb = 'backup'", array(),
  'backup')['id'] + intdiv(SNAPSHOTS, 2);
$pages = array(
  'Backup' => array('mod=backup', 'backup-list'),
  'Backup, older ones' => array("mod=backup&before=$backup", 'backup-list'),
  'Progress (JSON)' => array('mod=backup_status', '"open"'),
  'Check results' => array('mod=backup_findings', 'finding-list'),
  'Check results, from the middle' => array("mod=backup_findings&after=missing.$middle", 'finding-list'),
  'Check results, one kind' => array('mod=backup_findings&kind=orphan', 'finding-list'),
  'Check results, an upload, from the middle' =>
    array("mod=backup_findings&upload=4711&after=missing.$middle", 'finding-list'),
  'Check results, an upload, one kind' =>
    array("mod=backup_findings&upload=4711&kind=missing&after=missing.$middle", 'finding-list'),
  'Prune' => array('mod=backup_prune', 'prune-rehearse'));
if ($real) {
  $pages = array("FOSSology's Browse" => array('mod=browse', 'browse')) + $pages;
}
$slow = 0;
$browse = null;
foreach ($pages as $name => $page) {
  list($times, $answer) = measure("$url?$page[0]", $cookie);
  if (strpos($answer, $page[1]) === false) {
    echo "$name: not the page that was expected:\n" . substr(strip_tags($answer), 0, 500) . "\n";
    exit(1);
  }
  $median = $times[intdiv(TRIES, 2)];
  $browse = $browse ?: ($real ? $median : null);
  printf("%-42s %6.0f ms   (fastest %.0f, slowest %.0f)%s\n", $name, 1000 * $median, 1000 * $times[0],
    1000 * end($times), $browse ? sprintf('   %.2f of Browse', $median / $browse) : '');
  $slow += $median > LIMIT ? 1 : 0;
}
exit($slow > 0 ? 1 : 0);
