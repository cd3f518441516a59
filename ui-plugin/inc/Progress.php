<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class Progress
 * @brief How far a request is, in words and in percent, from what its agents write down. Pure
 *
 * While a request is carried out, its counts have for each host what it does: {"progress": {HOST:
 * {"step", "done", "of", "bytes", "of_bytes", "since", "at"}}}.
 */
class Progress
{
  /**
   * @param array $request As of BackupDao::getRequest()
   * @param int $now
   * @return array id, job, state, title, text, percent (null when nobody knows)
   */
  public static function of(array $request, $now)
  {
    $steps = array();
    $percents = array();
    foreach (self::hosts($request) as $host => $step) {
      list($text, $percent) = self::step($step, $now);
      $steps[] = count(self::hosts($request)) > 1 ? "$host: $text" : $text;
      $percents[] = $percent;
    }
    if ($request['state'] === 'queued') {
      $steps = array(sprintf(_("waiting for the scheduler, asked for %s"),
        Words::ago($request['asked'], $now)));
    } else if (!$steps) {
      $items = $request['entry'] === null ? 0 : $request['entry']['items'];
      $steps = array($items > 0 ? sprintf(_("%s done so far"), Words::number($items)) : _("at work"));
    }
    $known = $percents && !in_array(null, $percents, true);
    return array('id' => $request['id'], 'job' => $request['job'], 'state' => $request['state'],
      'title' => self::title($request), 'text' => implode('; ', $steps),
      'percent' => $known ? (int)min($percents) : null);
  }

  /** @return string Backup (gold) of fossy */
  public static function title(array $request)
  {
    $parameters = $request['parameters'];
    $of = array();
    if (isset($parameters['mode'])) {
      $of[] = $parameters['mode'];
    }
    foreach (array('deep' => _("reads every file"), 'dry_run' => _("rehearsal"),
      'missing' => _("all that is missing")) as $name => $words) {
      if (!empty($parameters[$name])) {
        $of[] = $words;
      }
    }
    if (!empty($parameters['uploads'])) {
      $of[] = sprintf(ngettext("%d upload", "%d uploads", count($parameters['uploads'])),
        count($parameters['uploads']));
    }
    if (!empty($parameters['blobs'])) {
      $of[] = sprintf(ngettext("%d file", "%d files", count($parameters['blobs'])),
        count($parameters['blobs']));
    }
    $verb = Words::verb($request['verb']);
    return sprintf(_("%s, asked for by %s"), $of ? "$verb (" . implode(', ', $of) . ')' : $verb,
      $request['who']);
  }

  private static function hosts(array $request)
  {
    $progress = isset($request['counts']['progress']) ? $request['counts']['progress'] : array();
    return is_array($progress) ? array_filter($progress, 'is_array') : array();
  }

  private static function step(array $step, $now)
  {
    $step += array('step' => '', 'done' => 0, 'of' => 0, 'bytes' => 0, 'of_bytes' => 0, 'since' => $now);
    $text = $step['step'];
    $part = null;
    if ($step['of_bytes'] > 0) {
      $part = $step['bytes'] / $step['of_bytes'];
    } else if ($step['of'] > 0) {
      $part = $step['done'] / $step['of'];
    }
    if ($step['of'] > 0) {
      $text .= ': ' . sprintf(_("%s of %s"), Words::number($step['done']), Words::number($step['of']));
    } else if ($step['done'] > 0) {
      $text .= ': ' . Words::number($step['done']);
    }
    if ($step['of_bytes'] > 0) {
      $text .= ' (' . sprintf(_("%s of %s"), Words::bytes($step['bytes']),
        Words::bytes($step['of_bytes'])) . ')';
    }
    $part = $part === null ? null : max(0, min(1, $part));
    $spent = $now - $step['since'];
    if ($part !== null && $part > 0.02 && $part < 1 && $spent >= 5) {
      $text .= ', ' . sprintf(_("about %s left"), Words::duration(max(1, $spent / $part - $spent)));
    }
    return array($text, $part === null ? null : floor(100 * $part));
  }
}
