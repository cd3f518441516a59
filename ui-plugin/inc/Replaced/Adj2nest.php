<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Replaced;

use Fossology\Backup\UI\RecoverFirst;

/**
 * @class Adj2nest
 * @brief In place of agent_adj2nest, after which nearly every scanner is queued
 *
 * Most scanners pass over a missing file, call the scan good, and never look at the file again. So
 * where files are missing the scanner waits for their recovery, which waits for adj2nest.
 */
class Adj2nest extends \Adj2nestAgentPlugin
{
  /**
   * @copydoc Adj2nestAgentPlugin::AgentAdd()
   */
  public function AgentAdd($jobId, $uploadId, &$errorMsg, $dependencies = [], $arguments = null,
    $request = null, $unpackArgs = null)
  {
    $entry = $this->addOnly($jobId, $uploadId, $errorMsg, $dependencies, $arguments, $request,
      $unpackArgs);
    return $entry < 0 ? $entry : RecoverFirst::here()->before($jobId, $uploadId, (int)$entry);
  }

  /**
   * @brief Queues adj2nest alone, as its parent does
   */
  public function addOnly($jobId, $uploadId, &$errorMsg, $dependencies = [], $arguments = null,
    $request = null, $unpackArgs = null)
  {
    return parent::AgentAdd($jobId, $uploadId, $errorMsg, $dependencies, $arguments, $request,
      $unpackArgs);
  }
}
