<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class Chart
 * @brief From numbers to the shapes of a small chart: bars that stand on each other, and a line. Pure
 *
 * The template chart.html.twig makes SVG of them, with the same numbers as a table beneath.
 */
class Chart
{
  const WIDTH = 520;
  const HEIGHT = 180;
  const LEFT = 62;
  const RIGHT = 8;
  const TOP = 10;
  const BOTTOM = 26;

  /**
   * @param string $id For the elements' ids
   * @param string $title
   * @param string[] $labels One a place on the horizontal axis, oldest first
   * @param array[] $series Each 'name', 'kind' (bar or line), 'colour', 'values' (as many as labels)
   * @param callable $format Makes words of a value
   * @param int[] $units Other units than one of which the axis may count, such as 60 of seconds
   * @return array
   */
  public static function make($id, $title, array $labels, array $series, callable $format,
    array $units = array())
  {
    $top = self::roundUp(self::highest($series, count($labels)), $units);
    $plot = self::HEIGHT - self::TOP - self::BOTTOM;
    $y = function ($value) use ($top, $plot) {
      return round(self::TOP + $plot - $plot * $value / $top, 1);
    };
    $slot = (self::WIDTH - self::LEFT - self::RIGHT) / max(1, count($labels));
    // Where there are few, they are not drawn as wide as they could be.
    $width = min(40, $slot * 0.8);
    $bars = array();
    $lines = array();
    $dots = array();
    $base = array_fill(0, count($labels), 0);
    foreach ($series as $one) {
      $points = array();
      foreach (array_values($one['values']) as $at => $value) {
        $left = self::LEFT + $slot * $at;
        if ($one['kind'] === 'line') {
          $points[] = round($left + $slot / 2, 1) . ',' . $y($value);
        } else if ($value > 0) {
          $upper = $y($base[$at] + $value);
          $bars[] = array('x' => round($left + ($slot - $width) / 2, 1), 'y' => $upper,
            'width' => round(max(0.5, $width), 1),
            // What is there is seen, however small it is.
            'height' => max(0.7, round($y($base[$at]) - $upper, 1)), 'colour' => $one['colour'],
            'text' => $labels[$at] . ': ' . $one['name'] . ' ' . $format($value));
          $base[$at] += $value;
        }
      }
      if (count($points) === 1) {
        list($x, $height) = explode(',', $points[0]);
        $dots[] = array('x' => $x, 'y' => $height, 'colour' => $one['colour']);
      } else if ($points) {
        $lines[] = array('points' => implode(' ', $points), 'colour' => $one['colour']);
      }
    }
    $ticks = array();
    foreach (array(0, 0.5, 1) as $part) {
      $ticks[] = array('y' => $y($top * $part), 'text' => $format($top * $part));
    }
    $rows = array();
    foreach ($labels as $at => $label) {
      $cells = array();
      foreach ($series as $one) {
        $cells[] = $format($one['values'][$at]);
      }
      $rows[] = array('label' => $label, 'cells' => $cells);
    }
    return array('id' => $id, 'title' => $title, 'width' => self::WIDTH, 'height' => self::HEIGHT,
      'left' => self::LEFT, 'right' => self::WIDTH - self::RIGHT, 'bottom' => self::HEIGHT - self::BOTTOM,
      'bars' => $bars, 'lines' => $lines, 'dots' => $dots, 'ticks' => $ticks, 'rows' => array_reverse($rows),
      'series' => array_map(function ($one) {
        return array('name' => $one['name'], 'colour' => $one['colour']);
      }, $series),
      'first' => $labels ? reset($labels) : '', 'last' => count($labels) > 1 ? end($labels) : '',
      'summary' => self::summary($labels, $series, $format));
  }

  private static function highest(array $series, $count)
  {
    $stacked = array_fill(0, $count, 0);
    $highest = 0;
    foreach ($series as $one) {
      foreach (array_values($one['values']) as $at => $value) {
        if ($one['kind'] === 'line') {
          $highest = max($highest, $value);
        } else {
          $stacked[$at] += $value;
          $highest = max($highest, $stacked[$at]);
        }
      }
    }
    return $highest;
  }

  /** The next of 1, 2, 4, 6, 8 times a power of ten: its half is a round number, too */
  private static function roundUp($value, array $units)
  {
    if ($value <= 0) {
      return 1;
    }
    rsort($units);
    foreach ($units as $unit) {
      if ($value > 1.5 * $unit) {
        return $unit * self::roundUp($value / $unit, array());
      }
    }
    $power = pow(10, floor(log10($value)));
    foreach (array(1, 2, 4, 6, 8) as $step) {
      if ($value <= $step * $power) {
        return $step * $power;
      }
    }
    return 10 * $power;
  }

  /** What somebody who does not see the chart is told first */
  private static function summary(array $labels, array $series, callable $format)
  {
    if (!$labels) {
      return _("There is nothing to show yet.");
    }
    $parts = array();
    foreach ($series as $one) {
      $values = array_values($one['values']);
      $parts[] = sprintf(_("%s from %s to %s"), $one['name'], $format($values[0]),
        $format($values[count($values) - 1]));
    }
    return sprintf(_("%s to %s: %s."), $labels[0], $labels[count($labels) - 1], implode(', ', $parts));
  }
}
