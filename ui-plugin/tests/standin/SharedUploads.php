<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

/**
 * @class SharedUploads
 * @brief Stand-in for UploadDao where every upload is shared with every group
 */
class SharedUploads
{
  public function isAccessible($uploadId, $groupId)
  {
    return true;
  }

  public function isEditable($uploadId, $groupId)
  {
    return true;
  }
}
