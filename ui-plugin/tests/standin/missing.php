<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief Stand-ins for the plugins that ours replace, with FOSSology's signatures, and for its
 * helpers to queue agents. They do what they have to be told apart by, and no more
 */
namespace Fossology\Lib\Plugin {

  /** Stand-in: queues what it depends on, then itself, as FOSSology's does */
  abstract class AgentPlugin implements Plugin
  {
    public $AgentName;
    public $Name = 'agent_abstract';
    public $Title = '';

    public function __construct()
    {
    }

    public function getName()
    {
      return $this->Name;
    }

    public function getDBaccess()
    {
      return 3;
    }

    public function preInstall()
    {
      menu_insert('Agents::' . $this->Title, 0, $this->Name);
    }

    public function AgentAdd($jobId, $uploadId, &$errorMsg, $dependencies = [], $arguments = null,
      $request = null, $unpackArgs = null)
    {
      $dependencies[] = 'agent_adj2nest';
      return $this->doAgentAdd($jobId, $uploadId, $errorMsg, $dependencies, $uploadId);
    }

    protected function doAgentAdd($jobId, $uploadId, &$errorMsg, $dependencies, $jqargs = '',
      $jq_cmd_args = null, $request = null)
    {
      $after = array();
      foreach ($dependencies as $name) {
        $after[] = $this->implicitAgentAdd($jobId, $uploadId, $errorMsg, $name, $request);
      }
      $database = $GLOBALS['container']->get('db.manager');
      $row = $database->getSingleRow('INSERT INTO jobqueue (jq_job_fk, jq_type, jq_args, jq_end_bits)
        VALUES ($1, $2, $3, 0) RETURNING jq_pk', array($jobId, $this->AgentName, $jqargs), 'standin.add');
      foreach (array_filter($after) as $one) {
        $database->getSingleRow('INSERT INTO jobdepends (jdep_jq_fk, jdep_jq_depends_fk)
          VALUES ($1, $2)', array($row['jq_pk'], $one), 'standin.depend');
      }
      return (int)$row['jq_pk'];
    }

    protected function implicitAgentAdd($jobId, $uploadId, &$errorMsg, $dependency, $request)
    {
      return \plugin_find($dependency)->AgentAdd($jobId, $uploadId, $errorMsg);
    }
  }
}

namespace Fossology\Lib\Dao {

  class UploadDao
  {
    const REUSE_ENHANCED = 2;
  }
}

namespace Fossology\Reuser {

  /** Stand-in: what is reused is in its table by the time that it is queued */
  class ReuserAgentPlugin extends \Fossology\Lib\Plugin\AgentPlugin
  {
    public $Name = 'agent_reuser';
    public $AgentName = 'reuser';

    public function scheduleAgent($jobId, $uploadId, &$errorMsg, $request)
    {
      return $this->doAgentAdd($jobId, $uploadId, $errorMsg, array('agent_adj2nest'), $uploadId, null,
        $request);
    }
  }
}

namespace {

  define('PLUGIN_DB_READ', 1);
  define('PLUGIN_DB_WRITE', 3);

  /** Stand-in: enters itself when it is made, as the old style does */
  class FO_Plugin implements \Fossology\Lib\Plugin\Plugin
  {
    public $Name = '';
    public $DBaccess = 0;
    public $installed = false;

    public function __construct()
    {
      register_plugin($this);
    }

    public function getName()
    {
      return $this->Name;
    }

    public function getDBaccess()
    {
      return $this->DBaccess;
    }

    public function preInstall()
    {
      $this->installed = true;
    }

    public function Output()
    {
      return 'output';
    }
  }

  class ui_reunpack extends FO_Plugin
  {
    public $Name = 'ui_reunpack';
    public $DBaccess = PLUGIN_DB_WRITE;

    public function CheckStatus($uploadpk, $job_name, $jobqueue_type)
    {
      return 4;
    }

    public function AgentAdd($uploadpk, $Depends = null, $priority = 0)
    {
      throw new \Exception('it would have changed rows');
    }

    public function ShowReunpackView($Item, $Reunpack = 0)
    {
      return 'reunpack';
    }
  }

  class ui_download extends FO_Plugin
  {
    public $Name = 'download';
    public $DBaccess = PLUGIN_DB_WRITE;

    public function CheckRestore($Item, $Filename)
    {
      return null;
    }
  }

  /** Of another release, with a parameter more */
  class LaterDownload extends FO_Plugin
  {
    public $Name = 'download';

    public function CheckRestore($Item, $Filename, $Why)
    {
      return null;
    }
  }

  class Adj2nestAgentPlugin extends \Fossology\Lib\Plugin\AgentPlugin
  {
    public $Name = 'agent_adj2nest';
    public $Title = 'adj2nest';
    public $AgentName = 'adj2nest';
    /** What AgentAdd() gives: 0, it has run before */
    public static $gives = 0;

    public function AgentAdd($jobId, $uploadId, &$errorMsg, $dependencies = [], $arguments = null,
      $request = null, $unpackArgs = null)
    {
      return self::$gives;
    }
  }

  class MonkBulkAgentPlugin extends \Fossology\Lib\Plugin\AgentPlugin
  {
    public $Name = 'agent_monk_bulk';
    public $AgentName = 'monkbulk';

    public function preInstall()
    {
    }

    public function AgentAdd($jobId, $uploadId, &$errorMsg, $dependencies = [], $arguments = null,
      $request = null, $unpackArgs = null)
    {
      return $this->doAgentAdd($jobId, $uploadId, $errorMsg, $dependencies, $arguments);
    }
  }

  /** It writes a report from the database */
  class ReportAgentPlugin extends \Fossology\Lib\Plugin\AgentPlugin
  {
    public $Name = 'agent_spdx2';
    public $AgentName = 'spdx2';
  }

  /** A scanner like most */
  class ScannerAgentPlugin extends \Fossology\Lib\Plugin\AgentPlugin
  {
    public $Name = 'agent_scanner';
    public $AgentName = 'scanner';
  }
}
