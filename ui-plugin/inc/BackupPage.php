<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

/**
 * @class BackupPage
 * @brief Admin → Backup: how things stand, what runs, the snapshots, and buttons for all of it
 */
class BackupPage extends AdminPage
{
  const NAME = 'backup';
  /** Snapshots a page, and in the charts; how far back retention is looked at */
  const LISTED = 15;
  const DRAWN = 60;
  const EXPIRIES = 1000;

  public function __construct()
  {
    parent::__construct(self::NAME, _("Back up my FOSSology data"),
      'Admin::Backup::Back up my FOSSology data', 30);
  }

  protected function act(Request $request)
  {
    $form = $request->request;
    $verb = (string)$form->get('do');
    if (!in_array($verb, Verbs::known(), true)) {
      throw new BackupException(_("The installed fo_backup does not know that."));
    }
    switch ($verb) {
      case 'backup':
        return $this->queue(Work::backup((string)$form->get('mode', 'full')));
      case 'check':
        return $this->queue(Work::check($form->get('deep') === '1'));
      case 'verify':
        return $this->queue(Work::verify((int)$form->get('percent')));
      case 'drill':
        return $this->queue(Work::drill());
      case 'expire':
        return $this->queue(Work::expire($form->get('dry_run') === '1'));
    }
    throw new BackupException(_("That is not done from here."));
  }

  protected function show(Request $request, $problem = '')
  {
    $runs = new RunDao($this->getObject('db.manager'));
    $snapshot = $request->query->get('snapshot');
    if (is_string($snapshot) && $snapshot !== '') {
      return $this->showSnapshot($runs, $snapshot);
    }
    $now = time();
    $health = Health::judge($this->facts($runs, $now), $now);
    $open = $this->dao()->getOpenRequests();
    $before = (int)$request->query->get('before');
    $listed = $runs->getBackups(self::LISTED + 1, $before > 0 ? $before : null);
    $older = count($listed) > self::LISTED ? $listed[self::LISTED - 1]['id'] : null;
    $drawn = $runs->getSnapshots(self::DRAWN);
    $retention = new Retention($runs->getExpiries(self::EXPIRIES));
    return $this->page('backup', array(
      'message' => htmlspecialchars($problem ?: $this->asked($request), ENT_QUOTES),
      'health' => self::coloured($health),
      'worst' => Words::colour(Health::worst($health)),
      'headline' => self::headline($health),
      'open' => array_map(function ($request) use ($now) {
        return Progress::of($request, $now);
      }, $open),
      'refresh' => count($open) > 0,
      'verbs' => array_fill_keys(Verbs::known(), true),
      'backups' => array_map(function ($run) use ($retention) {
        return self::row($run, $retention);
      }, array_slice($listed, 0, self::LISTED)),
      'older' => $older,
      'isNewest' => $before <= 0,
      'charts' => Charts::of($drawn, $drawn ? $runs->getAddedBefore($drawn[0]['id']) : 0, $retention,
        $runs->getPruned(self::DRAWN))));
  }

  private function facts(RunDao $runs, $now)
  {
    $check = $runs->newestFullCheck();
    $failed = $runs->newest('check');
    return $this->dao()->getExpected() + array(
      'good' => $runs->newest('backup', array('done')),
      'backup' => $runs->newest('backup'),
      'check' => $failed !== null && $failed['state'] === 'failed' ? $failed : $check,
      'verify' => $runs->newest('verify'),
      'drill' => $runs->newest('drill'),
      'copy' => $runs->newest('copy'),
      'next' => (new Schedule())->next($now));
  }

  /** What was asked for by the form before */
  private function asked(Request $request)
  {
    $id = (int)$request->query->get('asked');
    $asked = $id > 0 ? $this->dao()->getRequest($id) : null;
    if ($asked === null) {
      return '';
    }
    $text = sprintf(_("Request %d (%s) is job %d in FOSSology's job list."), $id,
      Words::verb($asked['verb']), $asked['job']);
    if ($request->query->get('told') === '0' && $asked['state'] === 'queued') {
      $text .= ' ' . _("FOSSology's scheduler does not answer; the job runs when it does.");
    }
    if (!in_array($asked['state'], array('queued', 'running'), true)) {
      $text = sprintf(_("Request %d (%s): %s. %s"), $id, Words::verb($asked['verb']),
        Words::state($asked['state']), $asked['message']);
    }
    return $text;
  }

  private static function coloured(array $health)
  {
    $words = array('ok' => _("good"), 'late' => _("late"), 'wrong' => _("wrong"),
      'unknown' => _("not known"));
    foreach ($health as &$line) {
      $line['colour'] = Words::colour($line['level']);
      $line['word'] = $words[$line['level']];
    }
    return $health;
  }

  private static function headline(array $health)
  {
    switch (Health::worst($health)) {
      case 'wrong':
        return _("Something is wrong: look at the red lines.");
      case 'late':
        return _("Something is late: look at the yellow lines.");
    }
    return _("All is well.");
  }

  private static function row(array $run, Retention $retention)
  {
    $counts = $run['counts'] + array('gold_bytes' => 0, 'files_bytes' => 0, 'new' => 0,
      'new_bytes' => 0, 'stored_bytes' => 0);
    $made = $run['snapshot'] !== null;
    return array(
      'snapshot' => $run['snapshot'],
      'nameNow' => $made ? $retention->nameNow($run['snapshot']) : null,
      'time' => Words::time($run['started']),
      'mode' => $run['mode'],
      'gold' => $made ? Words::bytes($counts['gold_bytes']) : '',
      'files' => $made ? Words::bytes($counts['files_bytes']) : '',
      'new' => $made ? Words::bytes($counts['new_bytes']) : '',
      'newFiles' => $made ? Words::number($counts['new']) : '',
      'stored' => $made ? Words::bytes($counts['stored_bytes']) : '',
      'took' => $run['seconds'] === null ? '' : Words::duration($run['seconds']),
      'state' => Words::state($run['state']),
      'colour' => Words::colour($run['state']),
      'message' => (string)$run['message'],
      'job' => $run['job'],
      'who' => $run['who']);
  }

  private function showSnapshot(RunDao $runs, $snapshot)
  {
    $run = $runs->getSnapshot($snapshot);
    if ($run === null) {
      return $this->refuse(_("The history does not know that snapshot; 'fo_backup snapshots' lists " .
        "those in the vault."), Response::HTTP_NOT_FOUND);
    }
    $row = self::row($run, new Retention($runs->getExpiries(self::EXPIRIES)));
    if ($row['nameNow'] === null) {
      return $this->refuse(_("Retention has removed that snapshot from the vault."),
        Response::HTTP_NOT_FOUND);
    }
    global $SysConf, $SYSCONFDIR;
    $directories = isset($SysConf['DIRECTORIES']) ? $SysConf['DIRECTORIES'] : array();
    $user = isset($directories['PROJECTUSER']) ? $directories['PROJECTUSER'] : 'fossy';
    $program = 'sudo -u ' . Words::shell($user) . ' fo_backup -c ' .
      Words::shell(rtrim($SYSCONFDIR, '/'));
    return $this->page('snapshot', array('message' => '', 'run' => $row,
      'program' => $program, 'restore' => "$program restore " . Words::shell($row['nameNow'])));
  }
}
