<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Replaced;

use Fossology\Backup\UI\RecoverFirst;
use Fossology\Lib\Plugin\AgentPlugin;

/**
 * @class Adj2nest
 * @brief In place of agent_adj2nest, after which nearly every agent is queued
 *
 * Most scanners pass over a missing file, call the scan good, and never look at the file again. So
 * where files are missing the scanner waits for their recovery, which waits for adj2nest.
 */
class Adj2nest extends \Adj2nestAgentPlugin
{
  /** Agents that work with the database alone, as agent/fossology/guard.rs names them */
  const READ_NO_FILES = array('clixml', 'compatibility', 'cyclonedx', 'decider', 'deciderjob',
    'decisionexporter', 'decisionimporter', 'dep5', 'readmeoss', 'reportImport', 'spdx2', 'spdx2csv',
    'spdx2tv', 'spdx3json', 'spdx3jsonld', 'spdx3rdf', 'spdx3tv', 'unifiedreport');

  /**
   * @copydoc Adj2nestAgentPlugin::AgentAdd()
   */
  public function AgentAdd($jobId, $uploadId, &$errorMsg, $dependencies = [], $arguments = null,
    $request = null, $unpackArgs = null)
  {
    $entry = $this->addOnly($jobId, $uploadId, $errorMsg, $dependencies, $arguments, $request,
      $unpackArgs);
    return $entry < 0 || in_array($this->dependent(), self::READ_NO_FILES, true) ? $entry :
      RecoverFirst::here()->before($jobId, $uploadId, (int)$entry);
  }

  /**
   * @brief Who is queued after us, which nobody tells
   * @return string|null The agent's name
   */
  private function dependent()
  {
    $calls = debug_backtrace(DEBUG_BACKTRACE_PROVIDE_OBJECT | DEBUG_BACKTRACE_IGNORE_ARGS, 3);
    $caller = isset($calls[2]['object']) ? $calls[2]['object'] : null;
    return $caller instanceof AgentPlugin ? $caller->AgentName : null;
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
