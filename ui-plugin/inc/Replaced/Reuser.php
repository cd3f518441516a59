<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Replaced;

use Fossology\Backup\UI\RecoverFirst;

/**
 * @class Reuser
 * @brief In place of agent_reuser, which compares files of its upload with those of another
 *
 * Its job fails where one of them is missing; adj2nest looks after its own upload only.
 */
class Reuser extends \Fossology\Reuser\ReuserAgentPlugin
{
  /**
   * @copydoc Fossology\Lib\Plugin\AgentPlugin::doAgentAdd()
   */
  protected function doAgentAdd($jobId, $uploadId, &$errorMsg, $dependencies, $jqargs = '',
    $jq_cmd_args = null, $request = null)
  {
    // A number among the names is an upload whose recovery is waited for.
    $dependencies = array_merge($dependencies, RecoverFirst::here()->comparedWith($uploadId));
    return parent::doAgentAdd($jobId, $uploadId, $errorMsg, $dependencies, $jqargs, $jq_cmd_args, $request);
  }

  /**
   * @copydoc Fossology\Lib\Plugin\AgentPlugin::implicitAgentAdd()
   */
  protected function implicitAgentAdd($jobId, $uploadId, &$errorMsg, $dependency, $request = null)
  {
    return is_int($dependency) ? RecoverFirst::here()->ofAnother($dependency) :
      parent::implicitAgentAdd($jobId, $uploadId, $errorMsg, $dependency, $request);
  }
}
