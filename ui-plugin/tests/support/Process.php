<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

/**
 * @class Process
 * @brief A server of the tests' own, which goes with the object
 */
class Process
{
  private $process;

  /**
   * @param string[] $command
   * @param int $port Where it answers once it is there
   * @param array $environment Besides this process's own
   */
  public function __construct(array $command, $port, array $environment = array(), $log = '/dev/null')
  {
    $this->process = proc_open($command,
      array(array('file', '/dev/null', 'r'), array('file', $log, 'a'), array('file', $log, 'a')),
      $pipes, sys_get_temp_dir(), $environment + getenv());
    $until = microtime(true) + 20;
    while (!($answers = @fsockopen('127.0.0.1', $port, $code, $message, 1))) {
      if (microtime(true) > $until || !proc_get_status($this->process)['running']) {
        throw new \Exception("$command[0] does not answer at port $port, see $log");
      }
      // A process that starts has no event to wait for.
      usleep(20000);
    }
    fclose($answers);
  }

  public function __destruct()
  {
    proc_terminate($this->process);
    proc_close($this->process);
  }

  /** @return int A port that is free */
  public static function port()
  {
    $socket = stream_socket_server('tcp://127.0.0.1:0');
    $name = stream_socket_get_name($socket, false);
    fclose($socket);
    return (int)substr($name, strrpos($name, ':') + 1);
  }
}
