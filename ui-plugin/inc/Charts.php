<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class Charts
 * @brief Which charts are drawn of the snapshots
 */
class Charts
{
  const BLUE = '#007bff';
  const GOLD = '#e0a800';
  const GREY = '#6c757d';
  const GREEN = '#28a745';

  /**
   * @param array[] $runs Backups that made a snapshot, oldest first, as of RunDao::getSnapshots()
   * @param float $added What older ones had added to the vault
   * @param Retention|null $retention What took from it
   * @param array[] $pruned As of RunDao::getPruned()
   * @return array[] As of Chart::make()
   */
  public static function of(array $runs, $added = 0.0, $retention = null, array $pruned = array())
  {
    $retention = $retention ?: new Retention(array());
    $whole = array_values(array_filter($runs, function ($run) {
      return $run['mode'] === 'full';
    }));
    $bytes = array('Fossology\Backup\UI\Words', 'bytes');
    $vault = array();
    foreach ($runs as $run) {
      $added += self::count($run, 'stored_bytes');
      $vault[] = max(0, $added - $retention->givenBackUntil($run['started']));
    }
    $gone = self::pruned($whole, $pruned);
    $repository = array(
      self::bars(_("unpacked files"), self::BLUE, array_map(function ($run, $gone) {
        // A backup counts what is pruned, too: the database needs it.
        return max(0, self::count($run, 'files_bytes') - self::count($run, 'gold_bytes') - $gone);
      }, $whole, $gone)),
      self::bars(_("uploads (gold)"), self::GOLD, self::counts($whole, 'gold_bytes')));
    if (array_sum($gone) > 0) {
      $repository[] = self::bars(_("pruned, made again when needed"), self::GREY, $gone);
    }
    return array(
      Chart::make('vault', _("Size of the vault"), self::labels($runs), array(
        array('name' => _("vault"), 'kind' => 'line', 'colour' => self::GREEN, 'values' => $vault)),
        $bytes),
      Chart::make('new', _("What each backup found new"), self::labels($runs), array(
        self::bars(_("new"), self::BLUE, self::counts($runs, 'new_bytes'))), $bytes),
      Chart::make('repository', _("The repository at each full backup"), self::labels($whole),
        $repository, $bytes),
      Chart::make('durations', _("How long backups took"), self::labels($runs), array(
        self::bars(_("took"), self::GREY, array_map(function ($run) {
          return max(0, (float)$run['seconds']);
        }, $runs))), array('Fossology\Backup\UI\Words', 'duration'), array(60, 3600)));
  }

  /** What was pruned when each backup was made: as the last that looked before it saw it */
  private static function pruned(array $runs, array $pruned)
  {
    $bytes = 0;
    $series = array();
    foreach ($runs as $run) {
      while ($pruned && $pruned[0]['started'] <= $run['started']) {
        $bytes = array_shift($pruned)['bytes'];
      }
      $series[] = $bytes;
    }
    return $series;
  }

  private static function bars($name, $colour, array $values)
  {
    return array('name' => $name, 'kind' => 'bar', 'colour' => $colour, 'values' => $values);
  }

  private static function labels(array $runs)
  {
    return array_map(function ($run) {
      return Words::time($run['started']);
    }, $runs);
  }

  private static function counts(array $runs, $name)
  {
    return array_map(function ($run) use ($name) {
      return self::count($run, $name);
    }, $runs);
  }

  private static function count(array $run, $name)
  {
    return isset($run['counts'][$name]) ? (float)$run['counts'][$name] : 0;
  }
}
