<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class Kinds
 * @brief The kinds of findings, as agent/operations/check/report.rs names them, in words
 */
class Kinds
{
  /** @return array[] By name: words, what it means, and Bootstrap's colour */
  public static function all()
  {
    return array(
      'missing' => array(_("missing"),
        _("a file that FOSSology needs lies nowhere in the repository"), 'danger'),
      'gold_deleted' => array(_("upload's file gone"),
        _("the uploaded file is gone, what was unpacked from it is there"), 'danger'),
      'missing_in_tree' => array(_("missing in one tree"), _("gone from gold or files, whole in the other"),
        'warning'),
      'size_wrong' => array(_("wrong size"), _("cut, or longer than it was"), 'danger'),
      'corrupt' => array(_("damaged"), _("the content is not what the name says"), 'danger'),
      'unreadable' => array(_("unreadable"), _("a folder or file could not be read"), 'danger'),
      'wrong_place' => array(_("wrong place"), _("lies where FOSSology does not look for it"), 'warning'),
      'wrong_depth' => array(_("wrong depth"), _("lies in too few or too many folders"), 'warning'),
      'wrong_mode' => array(_("wrong permissions"), _("permissions that make jobs fail"), 'warning'),
      'wrong_owner' => array(_("wrong group"), _("belongs to another group than FOSSology's"), 'warning'),
      'broken_row' => array(_("broken row"), _("a row of pfile whose checksums or size are none"), 'danger'),
      'release_missing' => array(_("no release"), _("FOSSology's release is not in sysconfig"), 'warning'),
      'orphan' => array(_("nobody's"), _("no row of the database needs it"), 'secondary'),
      'debris' => array(_("left over"), _("half-written, or left by a crash"), 'secondary'),
      'in_fallback' => array(_("on a later host"), _("read from a fall-back host"), 'info'),
      'in_flight' => array(_("on its way"), _("its upload is still being unpacked"), 'info'),
      'pruned' => array(_("pruned"), _("removed on purpose, made again when needed"), 'info'));
  }

  /** @return bool Whether a recovery may bring it back */
  public static function isRecoverable($kind)
  {
    return in_array($kind, array('missing', 'gold_deleted', 'missing_in_tree', 'size_wrong'), true);
  }

  /** @return string How it could come back, in words */
  public static function recovery($recovery)
  {
    $words = array(
      'other_tree' => _("whole in the other tree"),
      'recoverable_from_gold' => _("to be unpacked from gold"),
      'recoverable_from_vault' => _("in the vault"),
      'recoverable_from_web' => _("on the web, where a backup left it"),
      'lost' => _("lost"));
    return isset($words[$recovery]) ? $words[$recovery] : '';
  }
}
