<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Symfony\Component\HttpFoundation\Request;

/**
 * @class FindingsPage
 * @brief Admin → Backup → Check results: what the last check found, and a button to bring it back
 */
class FindingsPage extends AdminPage
{
  const NAME = 'backup_findings';
  const LISTED = 50;

  public function __construct()
  {
    parent::__construct(self::NAME, _("What the last check found"), 'Admin::Backup::Check results', 20);
  }

  protected function act(Request $request)
  {
    $form = $request->request->all();
    switch (isset($form['do']) ? $form['do'] : '') {
      case 'missing':
        return $this->queue(Work::recoverMissing());
      case 'upload':
        return $this->queue(Work::recoverUploads(
          array(isset($form['upload']) && is_string($form['upload']) ? $form['upload'] : '')));
      case 'blobs':
        $blobs = isset($form['blobs']) && is_array($form['blobs']) ? $form['blobs'] : array();
        return $this->queue(Work::recoverBlobs(array_unique(array_filter($blobs, 'is_string'))));
    }
    throw new BackupException(_("There is nothing to be done here."));
  }

  protected function show(Request $request, $problem = '')
  {
    $query = $request->query;
    $kinds = Kinds::all();
    $kind = (string)$query->get('kind');
    $kind = isset($kinds[$kind]) ? $kind : null;
    $upload = (int)$query->get('upload');
    $upload = $upload > 0 && $upload <= 2147483647 ? $upload : null;
    $after = preg_match('/^([a-z_]+)\.(\d{1,18})$/D', (string)$query->get('after'), $found) ?
      array($found[1], $found[2]) : null;

    $dbManager = $this->getObject('db.manager');
    $findings = new FindingDao($dbManager);
    $rows = $findings->getPage($kind, $upload, $after, self::LISTED + 1);
    $next = null;
    if (count($rows) > self::LISTED) {
      array_pop($rows);
      $last = end($rows);
      $next = $last['kind'] . '.' . $last['id'];
    }
    $check = (new RunDao($dbManager))->newestFullCheck();
    return $this->page('findings', array(
      'message' => htmlspecialchars($problem, ENT_QUOTES),
      'check' => $check === null ? null : self::check($check, time()),
      'kinds' => self::tallies($check, $kind),
      'isMissing' => (bool)array_filter(
        array_keys(isset($check['counts']['findings']) ? $check['counts']['findings'] : array()),
        array('Fossology\Backup\UI\Kinds', 'isRecoverable')),
      'uploads' => $this->uploads($findings, $check),
      'kind' => $kind,
      'kindWords' => $kind === null ? '' : $kinds[$kind][0],
      'upload' => $upload,
      'uploadName' => $upload === null ? '' : implode($findings->getUploadNames(array($upload))),
      'rows' => array_map(array(__CLASS__, 'row'), $rows),
      'canRecover' => (bool)array_filter($rows, function ($row) {
        return $row['blob'] !== null && Kinds::isRecoverable($row['kind']);
      }),
      'isFirst' => $after === null,
      'next' => $next));
  }

  private static function check(array $run, $now)
  {
    $counts = $run['counts'];
    return array(
      'time' => Words::time($run['started']),
      'ago' => Words::ago($run['started'], $now),
      'deep' => $run['mode'] === 'deep',
      'took' => Words::duration((float)$run['seconds']),
      'needed' => Words::number(isset($counts['needed']['count']) ? $counts['needed']['count'] : 0),
      'clean' => empty($counts['findings']));
  }

  /** How often each kind was found by the last check of all */
  private static function tallies($check, $chosen)
  {
    $found = isset($check['counts']['findings']) ? $check['counts']['findings'] : array();
    $tallies = array();
    foreach (Kinds::all() as $name => $words) {
      if (isset($found[$name])) {
        $tallies[] = array('name' => $name, 'words' => $words[0], 'means' => $words[1],
          'colour' => $words[2], 'count' => Words::number($found[$name]['count']),
          'bytes' => Words::bytes($found[$name]['bytes']), 'chosen' => $name === $chosen,
          'ways' => self::ways($found[$name]));
      }
    }
    return $tallies;
  }

  private static function ways(array $tally)
  {
    $ways = array();
    foreach (isset($tally['recovery']) ? $tally['recovery'] : array() as $recovery => $count) {
      $ways[] = Words::number($count) . ' ' . Kinds::recovery($recovery);
    }
    return implode(', ', $ways);
  }

  private function uploads(FindingDao $findings, $check)
  {
    $hit = isset($check['counts']['hit']) ? $check['counts']['hit'] : array();
    $names = $findings->getUploadNames(array_column($hit, 'upload'));
    $kinds = Kinds::all();
    $uploads = array();
    foreach ($hit as $one) {
      if (!isset($names[$one['upload']])) {
        // Deleted since.
        continue;
      }
      $counts = array();
      foreach ($one['counts'] as $kind => $count) {
        $counts[] = Words::number($count) . ' ' . (isset($kinds[$kind]) ? $kinds[$kind][0] : $kind);
      }
      $uploads[] = array('upload' => $one['upload'], 'name' => $names[$one['upload']],
        'counts' => implode(', ', $counts));
    }
    return $uploads;
  }

  private static function row(array $row)
  {
    $kinds = Kinds::all();
    $known = isset($kinds[$row['kind']]) ? $kinds[$row['kind']] : array($row['kind'], '', 'secondary');
    $row['words'] = $known[0];
    $row['means'] = $known[1];
    $row['colour'] = $known[2];
    $row['bytes'] = Words::bytes($row['size']);
    $row['way'] = Kinds::recovery($row['recovery']);
    $row['chosen'] = $row['blob'] !== null && Kinds::isRecoverable($row['kind']);
    return $row;
  }
}
