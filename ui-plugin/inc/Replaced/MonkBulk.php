<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Replaced;

/**
 * @class MonkBulk
 * @brief In place of agent_monk_bulk, which reads files and waits for nothing
 */
class MonkBulk extends \MonkBulkAgentPlugin
{
  /**
   * @copydoc MonkBulkAgentPlugin::AgentAdd()
   */
  public function AgentAdd($jobId, $uploadId, &$errorMsg, $dependencies = [], $arguments = null,
    $request = null, $unpackArgs = null)
  {
    // It knows whether files are missing.
    $dependencies[] = 'agent_adj2nest';
    return parent::AgentAdd($jobId, $uploadId, $errorMsg, $dependencies, $arguments, $request,
      $unpackArgs);
  }
}
