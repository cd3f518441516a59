<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Replaced;

use Fossology\Backup\UI\MissingFilePanel;

/**
 * @class Reunpack
 * @brief In place of ui_reunpack, which every page asks that finds no file to show
 *
 * FOSSology's own is not there for who may only read, which ends their pages in an error, and its
 * way of unpacking again changes rows that nobody asked to change. Nothing of it is left here.
 */
class Reunpack extends \ui_reunpack
{
  public $DBaccess = PLUGIN_DB_READ;

  /**
   * @copydoc ui_reunpack::Output()
   */
  public function Output()
  {
    return '<p>' . _("Missing files are brought back from the page that shows the file.") . '</p>';
  }

  /**
   * @brief What is said about a recovery is in ShowReunpackView(), where pages have the room
   * @return int No job of the kind that is asked for
   */
  public function CheckStatus($uploadpk, $job_name, $jobqueue_type)
  {
    return 0;
  }

  /**
   * @brief Refuses: what comes here is a form of FOSSology's own, without a token
   * @return string What is wrong
   */
  public function AgentAdd($uploadpk, $Depends = null, $priority = 0)
  {
    return _("Use the button below.");
  }

  /**
   * @copydoc ui_reunpack::ShowReunpackView()
   */
  public function ShowReunpackView($Item, $Reunpack = 0)
  {
    $query = isset($_SERVER['QUERY_STRING']) ? $_SERVER['QUERY_STRING'] : null;
    return MissingFilePanel::here()->html((int)$Item, $query);
  }
}
