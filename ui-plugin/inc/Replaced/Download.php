<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Replaced;

use Fossology\Backup\UI\MissingFilePanel;

/**
 * @class Download
 * @brief In place of download, whose own words about a missing file never reach anybody
 */
class Download extends \ui_download
{
  /**
   * @brief Shows why the file is missing, in FOSSology's frame
   * @throws \Exception Its message is what the page shows: so the parent has it
   */
  public function CheckRestore($Item, $Filename)
  {
    // Nothing leads back here: the page would stay as it is while the download begins.
    throw new \Exception(MissingFilePanel::here()->html((int)$Item));
  }
}
