<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Lib\Plugin;

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

/** Stand-in without the methods that nobody here calls */
interface Plugin
{
}

/**
 * @class DefaultPlugin
 * @brief Stand-in: keeps its parameters, refuses who is not logged in, renders with the real Twig
 */
abstract class DefaultPlugin implements Plugin
{
  const PERMISSION = 'permission';
  const REQUIRES_LOGIN = 'requiresLogin';
  const MENU_LIST = 'menuList';
  const MENU_ORDER = 'menuOrder';
  const TITLE = 'title';
  const DEPENDENCIES = 'dependencies';

  protected $container;
  private $name;
  private $parameters;

  public function __construct($name, $parameters = array())
  {
    global $container;
    $this->container = $container;
    $this->name = $name;
    $this->parameters = $parameters;
  }

  public function getName()
  {
    return $this->name;
  }

  public function getTitle()
  {
    return $this->parameters[self::TITLE];
  }

  public function getDBaccess()
  {
    return $this->parameters[self::PERMISSION];
  }

  public function getObject($name)
  {
    return $this->container->get($name);
  }

  public function preInstall()
  {
    $this->RegisterMenus();
  }

  protected function RegisterMenus()
  {
    if (isset($this->parameters[self::MENU_LIST])) {
      menu_insert('Main::' . $this->parameters[self::MENU_LIST],
        isset($this->parameters[self::MENU_ORDER]) ? $this->parameters[self::MENU_ORDER] : 0,
        $this->name, $this->name);
    }
  }

  public function isLoggedIn()
  {
    return !empty($_SESSION['User']) && $_SESSION['User'] != 'Default User';
  }

  /** @return Response */
  public function getResponse()
  {
    if (!empty($this->parameters[self::REQUIRES_LOGIN]) && !$this->isLoggedIn()) {
      throw new \Exception('not allowed without login');
    }
    $request = Request::createFromGlobals();
    $request->setSession($this->getObject('session'));
    return $this->handle($request);
  }

  abstract protected function handle(Request $request);

  protected function render($templateName, $vars = null, $headers = null)
  {
    $twig = $this->getObject('twig.environment');
    return new Response($twig->load($templateName)->render($vars), Response::HTTP_OK,
      $headers ?: array('Content-type' => 'text/html'));
  }

  protected function getDefaultVars()
  {
    return array('title' => htmlentities($this->getTitle()), 'styles' => '', 'menu' => '',
      'metadata' => "<meta http-equiv='Content-Type' content='text/html;charset=UTF-8'>");
  }

  protected function mergeWithDefault($vars)
  {
    return array_merge($this->getDefaultVars(), $vars);
  }

  protected function flushContent($content)
  {
    return $this->render('include/base.html.twig',
      $this->mergeWithDefault(array('content' => $content)));
  }
}
