<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Auth\Auth;
use Fossology\Lib\Plugin\DefaultPlugin;
use Symfony\Component\HttpFoundation\RedirectResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

/**
 * @class AdminPage
 * @brief A page for administrators: looks at rights, tables and tokens before anything else
 *
 * FOSSology takes pages away from who may not see them, but not on the command line, where
 * everybody is let in. So the rights are looked at here as well.
 */
abstract class AdminPage extends DefaultPlugin
{
  public function __construct($name, $title, $menu, $order = 0)
  {
    parent::__construct($name, array_filter(array(
      self::TITLE => $title,
      self::MENU_LIST => $menu,
      self::MENU_ORDER => $order,
      self::REQUIRES_LOGIN => true,
      self::PERMISSION => Auth::PERM_ADMIN)));
  }

  /**
   * @brief Shows the page
   * @param Request $request
   * @param string $problem What went wrong just now, plain text
   * @return Response
   */
  abstract protected function show(Request $request, $problem = '');

  /**
   * @brief Does what a form asks for
   * @param Request $request Its rights and its token were looked at
   * @return Response
   * @throws BackupException Whose text is then shown on the page
   */
  protected function act(Request $request)
  {
    throw new BackupException(_("There is nothing to be done here."));
  }

  /** What is answered to who may not see it */
  protected function refuse($text, $code)
  {
    $response = $this->flushContent(htmlspecialchars($text, ENT_QUOTES));
    $response->setStatusCode($code);
    return $response;
  }

  protected function handle(Request $request)
  {
    if (!Auth::isAdmin()) {
      return $this->refuse(_("This page is for administrators."), Response::HTTP_FORBIDDEN);
    }
    if (!$this->dao()->isInstalled()) {
      return $this->refuse(_("The tables of the backup are not there, or too old: run 'fo_backup " .
        "install' on the host of FOSSology's scheduler."), Response::HTTP_OK);
    }
    if ($request->getMethod() !== 'POST') {
      return $this->show($request);
    }
    if (!$this->token()->isValid($request)) {
      return $this->show($request,
        _("Nothing was done: the form was too old, or not ours. Please try again."));
    }
    try {
      return $this->act($request);
    } catch (BackupException $problem) {
      return $this->show($request, $problem->getMessage());
    }
  }

  /** @return BackupDao */
  protected function dao()
  {
    return new BackupDao($this->getObject('db.manager'));
  }

  /** @return CsrfToken */
  protected function token()
  {
    return new CsrfToken($this->getObject('session'), Auth::getUserId());
  }

  /**
   * @brief Queues work, and leads back to a page that shows it: so a reload queues nothing
   * @return Response
   */
  protected function queue(Work $work)
  {
    foreach ($this->dao()->getOpenRequests() as $open) {
      if ($open['verb'] === $work->verb() && $open['parameters'] == $work->parameters()) {
        throw new BackupException(sprintf(
          _("The same was asked for already, by %s: request %d, job %d."), $open['who'], $open['id'],
          $open['job']));
      }
    }
    $asked = RequestQueue::here()->ask($work, Auth::getUserId(), Auth::getGroupId());
    return new RedirectResponse($this->uri('backup', array('asked' => $asked['request'],
      'told' => $asked['notTold'] === null ? 1 : 0)));
  }

  /** @return string The address of one of our pages, not escaped */
  protected function uri($mod, array $parameters = array())
  {
    return Traceback_uri() . '?' . http_build_query(array('mod' => $mod) + $parameters);
  }

  /**
   * @brief Renders one of our templates
   * @return Response
   */
  protected function page($template, array $vars)
  {
    return $this->render("@backup/$template.html.twig", $this->mergeWithDefault($vars + array(
      'uri' => Traceback_uri(),
      'tokenField' => CsrfToken::FIELD,
      'token' => $this->token()->value())));
  }
}
