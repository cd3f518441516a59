<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Symfony\Component\HttpFoundation\Request;

/**
 * @class PrunePage
 * @brief Admin → Backup → Prune: what a policy would remove, and after that was read, the removal
 *
 * Nothing is removed that was not in a rehearsal just before: the form names the rehearsal that
 * people have seen, and its policy has to be typed.
 */
class PrunePage extends AdminPage
{
  const NAME = 'backup_prune';
  const LISTED = 50;
  /** How long a rehearsal counts, in seconds */
  const FRESH = 86400;
  /** The policies that need no line in fo_backup.toml */
  const POLICIES = array('source-only', 'cold', 'gold-only');

  public function __construct()
  {
    parent::__construct(self::NAME, _("Prune unpacked files"),
      in_array('prune', Verbs::known(), true) ? 'Admin::Backup::Prune unpacked files' : null, 10);
  }

  protected function act(Request $request)
  {
    if (!in_array('prune', Verbs::known(), true)) {
      throw new BackupException(_("The installed fo_backup does not know that."));
    }
    $form = $request->request->all() + array('do' => '', 'policy' => '', 'typed' => '', 'run' => '',
      'upload' => '');
    switch ($form['do']) {
      case 'rehearse':
        return $this->queue(Work::prune($form['policy'] === '' ? null : (string)$form['policy'], true,
          isset($form['prove'])));
      case 'prune':
        $policy = $this->agreed($form);
        return $this->queue(Work::prune($policy, false));
      case 'undo':
        return $this->queue(Work::undoPruning(array($form['upload'])));
    }
    throw new BackupException(_("There is nothing to be done here."));
  }

  /** The policy that somebody has read and typed */
  private function agreed(array $form)
  {
    $plan = $this->plan();
    if ($plan === null || !$plan['rehearsal'] || (string)$plan['run'] !== $form['run'] ||
      time() - $plan['ended'] > self::FRESH) {
      throw new BackupException(
        _("Nothing was removed: there is a newer plan than you have seen, or yours is too old."));
    }
    if (!is_string($form['typed']) || trim($form['typed']) !== $plan['policy']) {
      throw new BackupException(sprintf(
        _("Nothing was removed: what was typed is not the policy's name, %s."), $plan['policy']));
    }
    return $plan['policy'];
  }

  /** @return array|null The last plan that was made, or carried out */
  private function plan()
  {
    $run = (new RunDao($this->getObject('db.manager')))->newest('prune', array('done', 'incomplete'));
    if ($run === null) {
      return null;
    }
    $rehearsal = strncmp((string)$run['mode'], PruneDao::REHEARSAL, strlen(PruneDao::REHEARSAL)) === 0;
    return array('run' => $run['id'], 'rehearsal' => $rehearsal, 'ended' => $run['ended'],
      'policy' => $rehearsal ? substr($run['mode'], strlen(PruneDao::REHEARSAL)) : $run['mode'],
      'counts' => $run['counts'], 'message' => $run['message']);
  }

  protected function show(Request $request, $problem = '')
  {
    $dao = $this->dao();
    if (!$dao->hasTable('backup_prune_upload')) {
      return $this->refuse(_("The installed fo_backup cannot prune; a newer one can."), 200);
    }
    $plan = $this->plan();
    $offset = max(0, (int)$request->query->get('offset'));
    $uploads = $plan === null ? array() : (new PruneDao($this->getObject('db.manager')))
      ->getUploads($plan['run'], self::LISTED + 1, $offset);
    $now = time();
    return $this->page('prune', array(
      'message' => htmlspecialchars($problem, ENT_QUOTES),
      'policies' => self::POLICIES,
      'plan' => $plan === null ? null : self::words($plan, $now),
      'uploads' => array_map(function ($row) use ($plan) {
        return self::upload($row, $plan['rehearsal']);
      }, array_slice($uploads, 0, self::LISTED)),
      'next' => count($uploads) > self::LISTED ? $offset + self::LISTED : null,
      'isFirst' => $offset === 0));
  }

  private static function amount(array $counts, $name)
  {
    $amount = (isset($counts[$name]) && is_array($counts[$name]) ? $counts[$name] : array()) +
      array('blobs' => 0, 'bytes' => 0);
    return sprintf(_("%s files, %s"), Words::number($amount['blobs']), Words::bytes($amount['bytes']));
  }

  private static function words(array $plan, $now)
  {
    $counts = $plan['counts'] + array('words' => array(), 'rules' => array());
    $rules = array();
    foreach ($counts['rules'] as $rule) {
      $rules[] = array('words' => $rule['words'], 'drop' => self::amount($rule, 'drop'),
        'proven' => self::amount($rule, 'proven'), 'share' => sprintf('%.1f %%', 100 * $rule['share']));
    }
    $drop = isset($counts['drop']['blobs']) ? $counts['drop']['blobs'] : 0;
    return array(
      'run' => $plan['run'], 'policy' => $plan['policy'], 'rehearsal' => $plan['rehearsal'],
      'ago' => Words::ago($plan['ended'], $now), 'words' => $counts['words'], 'rules' => $rules,
      'files' => self::amount($counts, 'files'), 'before' => self::amount($counts, 'pruned_before'),
      'stays' => self::amount($counts, 'not_reproducible'), 'drop' => self::amount($counts, 'drop'),
      'proven' => self::amount($counts, 'proven'), 'removed' => self::amount($counts, 'removed'),
      'canGo' => $plan['rehearsal'] && $drop > 0 && $now - $plan['ended'] <= self::FRESH,
      'problem' => (string)$plan['message']);
  }

  private static function upload(array $row, $rehearsal)
  {
    if (!$rehearsal) {
      // The plan was made before, and then carried out.
      $row['pruned_blobs'] += $row['proven_blobs'];
      $row['pruned_bytes'] += $row['proven_bytes'];
    }
    $amount = function ($name) use ($row) {
      return $row["{$name}_blobs"] > 0 ? self::amount(array($name => array(
        'blobs' => $row["{$name}_blobs"], 'bytes' => $row["{$name}_bytes"])), $name) : '';
    };
    $ways = array('gold' => _("from gold"), 'vault' => _("from the vault"),
      'gold_and_vault' => _("from gold and vault"), 'unproven' => _("not proven yet"));
    $holds = array('not_chosen' => _("not asked for"), 'newest' => _("one of the newest"),
      'busy' => _("a job waits for it or works on it"), 'in_flight' => _("still being unpacked"),
      'deleted' => _("deleted in FOSSology"), 'gold_missing' => _("the uploaded file is missing"),
      'gold_damaged' => _("the uploaded file is damaged"));
    $held = (string)$row['held'];
    return array(
      'upload' => (int)$row['upload_fk'],
      'name' => $row['upload_filename'],
      'all' => self::amount(array('all' => $row), 'all'),
      'held' => isset($holds[$held]) ? $holds[$held] : $held,
      'pruned' => $amount('pruned'),
      'drop' => $amount('drop'),
      'proven' => $amount('proven'),
      'way' => isset($ways[$row['way']]) ? $ways[$row['way']] : '',
      'seconds' => $row['seconds'] === null ? '' : Words::duration((float)$row['seconds']));
  }
}
