<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Db\DbManager;

/**
 * @class RequestQueue
 * @brief Asks the scheduler for a piece of work
 *
 * A request with what is to be done, and a job that carries its number, as 'fo_backup queue' makes
 * them: both in one transaction, so whoever dies in the middle has asked for nothing.
 *
 * With more than one agent host the program itself is called. Which of them does what follows from
 * where the repository lies, and there shall be one place that knows that.
 *
 * Who calls this has looked at the user's rights and at the form's token before.
 */
class RequestQueue
{
  const AGENT = 'backup';
  /** How long the program may take, in seconds */
  const PATIENCE = 60;

  /** @var DbManager */
  private $dbManager;
  /** @var array */
  private $sysConf;
  /** @var string */
  private $sysConfDir;
  /** @var callable */
  private $tellScheduler;

  /**
   * @param DbManager $dbManager
   * @param array $sysConf FOSSology's $SysConf
   * @param string $sysConfDir FOSSology's $SYSCONFDIR
   * @param callable|null $tellScheduler Gives what is wrong or null; FOSSology's own way without it
   */
  public function __construct(DbManager $dbManager, array $sysConf, $sysConfDir,
    $tellScheduler = null)
  {
    $this->dbManager = $dbManager;
    $this->sysConf = $sysConf;
    $this->sysConfDir = rtrim($sysConfDir, '/');
    $this->tellScheduler = $tellScheduler ?: array($this, 'tellAtPort');
  }

  /**
   * @brief The queue of the FOSSology that shows this page
   * @return RequestQueue
   */
  public static function here()
  {
    global $container, $SysConf, $SYSCONFDIR;
    return new self($container->get('db.manager'), $SysConf, $SYSCONFDIR);
  }

  /**
   * @brief Queues work of the whole system
   * @param Work $work
   * @param int $userId Whose job it is
   * @param int $groupId Of which group's; the user's own one without it
   * @return array 'request', 'job' (job_pk), and 'notTold': why the scheduler does not know yet, or null
   * @throws BackupException
   */
  public function ask(Work $work, $userId, $groupId = 0)
  {
    $user = $this->dbManager->getSingleRow(
      'SELECT user_name, group_fk FROM users WHERE user_pk = $1', array($userId),
      __METHOD__ . '.user');
    if ($user === false) {
      throw new BackupException(_("FOSSology does not know who you are; log in again."));
    }
    if (!is_dir("$this->sysConfDir/mods-enabled/" . self::AGENT)) {
      throw new BackupException(
        _("FOSSology does not know the agent 'backup': run 'fo_backup install' on this host."));
    }
    if ($this->hasSeveralHosts()) {
      return $this->askProgram($work, $user['user_name']);
    }
    $asked = $this->enter($work, (int)$userId, $groupId ?: $user['group_fk'], $user['user_name']);
    $asked['notTold'] = call_user_func($this->tellScheduler);
    return $asked;
  }

  /** @return bool */
  private function hasSeveralHosts()
  {
    return isset($this->sysConf['HOSTS']) && count($this->sysConf['HOSTS']) > 1;
  }

  private function enter(Work $work, $userId, $groupId, $userName)
  {
    $statement = __METHOD__;
    $this->dbManager->begin();
    try {
      $request = $this->dbManager->getSingleRow(
        'INSERT INTO backup_request (instance, verb, parameters, who)
         SELECT instance, $1, $2::jsonb, $3 FROM backup_instance RETURNING id',
        array($work->verb(), $work->json(), $userName), $statement . '.request');
      if ($request === false) {
        throw new BackupException(
          _("Our tables do not say which instance this is: run 'fo_backup install'."));
      }
      $job = $this->dbManager->getSingleRow(
        'INSERT INTO job (job_user_fk, job_group_fk, job_queued, job_priority, job_name)
         VALUES ($1, $2, now(), 0, $3) RETURNING job_pk',
        array($userId, $groupId, 'fo_backup ' . $work->verb()), $statement . '.job');
      $this->dbManager->getSingleRow(
        'INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits, jq_cmd_args)
         VALUES ($1, $2, 0, $3)',
        array($job['job_pk'], self::AGENT, '--request=' . $request['id']), $statement . '.entry');
      $this->dbManager->getSingleRow('UPDATE backup_request SET job = $2 WHERE id = $1',
        array($request['id'], $job['job_pk']), $statement . '.given');
      $this->dbManager->commit();
    } catch (\Exception $failed) {
      $this->dbManager->rollback();
      if ($failed instanceof BackupException) {
        throw $failed;
      }
      throw new BackupException(_("The database did not take the request. Was 'fo_backup install' " .
        "run after the last update?"), 0, $failed);
    }
    return array('request' => (int)$request['id'], 'job' => (int)$job['job_pk']);
  }

  /** @return string|null */
  private function tellAtPort()
  {
    $output = '';
    $error = '';
    if (fo_communicate_with_scheduler('database', $output, $error)) {
      return null;
    }
    return _("FOSSology's scheduler does not answer; the job runs when it does.");
  }

  private function askProgram(Work $work, $userName)
  {
    $command = array_merge(
      array("$this->sysConfDir/mods-enabled/" . self::AGENT . '/agent/' . self::AGENT,
        '-c', $this->sysConfDir, '--json', '--quiet', 'queue', '--user', $userName),
      $work->arguments());
    list($code, $output, $errors) = $this->run($command);
    $answer = json_decode($output, true);
    if ($code === 0 && isset($answer['request'], $answer['job'])) {
      return array('request' => (int)$answer['request'], 'job' => (int)$answer['job'],
        'notTold' => isset($answer['not_told']) ? $answer['not_told'] : null);
    }
    throw new BackupException(sprintf(
      _("fo_backup did not queue it among the agent hosts: %s. By hand: fo_backup queue %s"),
      self::reason($errors, $code), implode(' ', $work->arguments())));
  }

  /** @return string What the program says is wrong: its last line, which is JSON */
  private static function reason($errors, $code)
  {
    $lines = explode("\n", trim($errors));
    $answer = json_decode(end($lines), true);
    return isset($answer['error']) && is_string($answer['error']) ? $answer['error'] :
      sprintf(_("the program ended with code %d"), $code);
  }

  /**
   * @return array Exit code, what it printed, and what it had to say
   */
  private function run(array $command)
  {
    // Without a shell, so no word means anything else than itself.
    $process = function_exists('proc_open') ? @proc_open($command,
      array(array('file', '/dev/null', 'r'), array('pipe', 'w'), array('pipe', 'w')),
      $pipes, '/') : false;
    if ($process === false) {
      throw new BackupException(sprintf(_("PHP may not start %s here."), $command[0]));
    }
    $texts = array(1 => '', 2 => '');
    $open = $pipes;
    $until = microtime(true) + self::PATIENCE;
    while ($open && microtime(true) < $until) {
      $ready = $open;
      $none = null;
      if (!stream_select($ready, $none, $none, 1)) {
        continue;
      }
      foreach ($ready as $number => $pipe) {
        $part = fread($pipe, 65536);
        if ($part === '' || $part === false) {
          unset($open[$number]);
        } else {
          $texts[$number] .= $part;
        }
      }
    }
    if ($open) {
      proc_terminate($process);
    }
    array_map('fclose', $pipes);
    return array(proc_close($process), $texts[1], $texts[2]);
  }
}
