<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Auth\Auth;
use Fossology\Lib\Plugin\DefaultPlugin;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

/**
 * @class Hooks
 * @brief Puts our classes in the place of plugins of FOSSology's, and our routes into its API
 *
 * Each extends the one that it replaces, and is read here, when that is there: so none of their
 * files may lie where FOSSology reads every file. A page must never end because of us: what does
 * not fit is left as it is, and said in the log.
 */
class Hooks extends DefaultPlugin
{
  const NAME = 'backup_hooks';

  /** The name of a plugin, its class, ours, and whether it is put in where there is none */
  const REPLACED = array(
    array('ui_reunpack', 'ui_reunpack', Replaced\Reunpack::class, true),
    array('download', 'ui_download', Replaced\Download::class, false),
    array('agent_adj2nest', 'Adj2nestAgentPlugin', Replaced\Adj2nest::class, false),
    array('agent_monk_bulk', 'MonkBulkAgentPlugin', Replaced\MonkBulk::class, false),
    array('agent_reuser', 'Fossology\Reuser\ReuserAgentPlugin', Replaced\Reuser::class, false));

  /** How many parameters ours have; PHP ends everything when a parent's has more */
  const PARAMETERS = array('AgentAdd' => 7, 'CheckRestore' => 2, 'CheckStatus' => 3,
    'ShowReunpackView' => 2, 'Output' => 0, 'doAgentAdd' => 7, 'implicitAgentAdd' => 5);

  public function __construct()
  {
    parent::__construct(self::NAME, array(
      self::TITLE => 'fo_backup',
      self::PERMISSION => Auth::PERM_NONE,
      self::REQUIRES_LOGIN => false));
  }

  /**
   * @copydoc DefaultPlugin::preInstall()
   */
  public function preInstall()
  {
    foreach (self::REPLACED as list($name, $class, $ours, $always)) {
      try {
        $this->replace($name, $class, $ours, $always);
      } catch (\Throwable $failed) {
        $this->warn("$name stays FOSSology's own: " . $failed->getMessage());
      }
    }
    try {
      if (Rest\Routes::isPossible()) {
        Rest\Routes::enter($GLOBALS['app']);
      }
    } catch (\Throwable $failed) {
      $this->warn('the API stays without us: ' . $failed->getMessage());
    }
  }

  private function replace($name, $class, $ours, $always)
  {
    global $Plugins;
    $there = isset($Plugins[$name]) ? $Plugins[$name] : null;
    // Somebody else may have replaced it, and what is not there was taken away from this user.
    $isTheirs = $there !== null && get_class($there) === $class;
    if (!class_exists($class, false) || !($isTheirs || ($there === null && $always))) {
      return;
    }
    if (!self::fits($class)) {
      throw new \Exception('it is not known in this form');
    }
    unset($Plugins[$name]);
    try {
      $new = new $ours();
      // Plugins of the old style enter themselves.
      if (!isset($Plugins[$name])) {
        register_plugin($new);
      }
      // Those that come after us in the order would be asked anyway; it does no harm twice.
      $new->preInstall();
    } catch (\Throwable $failed) {
      unset($Plugins[$name]);
      if ($there !== null) {
        $Plugins[$name] = $there;
      }
      throw $failed;
    }
  }

  private static function fits($class)
  {
    foreach (self::PARAMETERS as $name => $parameters) {
      if (method_exists($class, $name)) {
        $method = new \ReflectionMethod($class, $name);
        $typed = array_filter($method->getParameters(), function ($parameter) {
          return $parameter->hasType();
        });
        if ($method->getNumberOfParameters() > $parameters || $typed || $method->hasReturnType() ||
          $method->isFinal()) {
          return false;
        }
      }
    }
    return true;
  }

  private function warn($text)
  {
    $this->getObject('logger')->error("fo_backup: $text");
  }

  /**
   * @copydoc DefaultPlugin::handle()
   */
  protected function handle(Request $request)
  {
    return new Response(_("Nothing is shown here."), Response::HTTP_NOT_FOUND);
  }
}
