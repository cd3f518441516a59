<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Plugin\AgentPlugin;

/**
 * @class RecoverAgent
 * @brief "Recover missing files" among the agents of an upload, so in fossjobs and cp2foss too
 */
class RecoverAgent extends AgentPlugin
{
  const NAME = 'agent_backup';

  public function __construct()
  {
    $this->Name = self::NAME;
    $this->Title = _("Recover missing files");
    $this->AgentName = RequestQueue::AGENT;
    parent::__construct();
  }

  /**
   * @copydoc Fossology\Lib\Plugin\AgentPlugin::AgentAdd()
   */
  public function AgentAdd($jobId, $uploadId, &$errorMsg, $dependencies = [], $arguments = null,
    $request = null, $unpackArgs = null)
  {
    global $container;
    if (!Rights::mayRecover($container, $uploadId)) {
      $errorMsg = _("You may not change this upload.");
      return -1;
    }
    $after = array();
    $adj2nest = plugin_find('agent_adj2nest');
    if ($adj2nest instanceof Replaced\Adj2nest) {
      // Without the recovery that it would put in: this is one.
      $after[] = $adj2nest->addOnly($jobId, $uploadId, $errorMsg, array(), null, $request,
        $unpackArgs);
    }
    if (in_array(-1, $after, true)) {
      return -1;
    }
    try {
      $jobs = new RecoveryJobs($container->get('db.manager'));
      $entry = $jobs->add($jobId, $uploadId, $after);
    } catch (\Exception $failed) {
      $errorMsg = _("The database did not take the job.");
      return -1;
    }
    $output = '';
    if (!fo_communicate_with_scheduler('database', $output, $errorMsg)) {
      $errorMsg .= "\n" . $output;
    }
    return $entry;
  }
}
