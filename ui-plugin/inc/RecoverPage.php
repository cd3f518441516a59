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
 * @class RecoverPage
 * @brief Takes the order to bring a file back, follows it, and leads back when the file is there
 *
 * A POST queues and redirects to the same page, which a browser may load again without harm. It
 * asks to be loaded again as long as the recovery is open, without JavaScript.
 */
class RecoverPage extends DefaultPlugin
{
  const NAME = 'backup_recover';
  /** After how many seconds the page is loaded again */
  const AGAIN = 4;

  public function __construct()
  {
    parent::__construct(self::NAME, array(
      self::TITLE => _("Missing File"),
      self::PERMISSION => Auth::PERM_READ,
      self::REQUIRES_LOGIN => false));
  }

  /**
   * @param int $uploadId
   * @param int $itemId
   * @param string|null $back
   * @return string The page's address
   */
  public static function uri($uploadId, $itemId, $back = null)
  {
    $query = array('mod' => self::NAME, 'upload' => $uploadId, 'item' => $itemId);
    if ($back !== null) {
      $query['back'] = $back;
    }
    return Traceback_uri() . '?' . http_build_query($query);
  }

  /**
   * @copydoc DefaultPlugin::handle()
   */
  protected function handle(Request $request)
  {
    $dao = new MissingFileDao($this->getObject('db.manager'));
    $file = $dao->getFile((int)$request->get('item'));
    if ($file === null || !Rights::mayRead($this->container, $file['upload'])) {
      return $this->say(_("There is no such file, or you may not see it."), Response::HTTP_NOT_FOUND);
    }
    $back = $request->get('back');
    $back = MissingFilePanel::localQuery(is_string($back) ? $back : null);
    if ($request->getMethod() === 'POST') {
      return $this->queue($request, $file, $back);
    }
    return $this->show($dao, $file, $back);
  }

  private function queue(Request $request, array $file, $back)
  {
    $token = new CsrfToken($this->getObject('session'), Auth::getUserId());
    if (!$token->isValid($request)) {
      return $this->say(_("This form is not valid any more: go back, load the page again, and send it " .
        "once more."), Response::HTTP_FORBIDDEN);
    }
    if (!Rights::mayRecover($this->container, $file['upload'])) {
      return $this->say(_("You may not change this upload."), Response::HTTP_FORBIDDEN);
    }
    try {
      $whole = $request->request->get('what') !== 'file';
      Recoveries::here()->ask($file, $whole, Auth::getUserId(), Auth::getGroupId());
    } catch (BackupException $refused) {
      return $this->say($refused->getMessage(), Response::HTTP_INTERNAL_SERVER_ERROR);
    }
    return new RedirectResponse(self::uri($file['upload'], $file['item'], $back),
      Response::HTTP_SEE_OTHER);
  }

  private function show(MissingFileDao $dao, array $file, $back)
  {
    global $SysConf;
    $files = new RepositoryFiles($SysConf);
    if ($files->has('files', $file['name'])) {
      return $this->isThere($file, $back);
    }
    $panel = new MissingFilePanel($this->container, $SysConf);
    $recovery = $dao->getRecovery($file);
    $open = $recovery !== null && in_array($recovery['state'], array('queued', 'running'), true);
    $vars = array('content' => $panel->html($file['item'], $back, $open));
    if ($open) {
      $again = self::AGAIN;
      $defaults = $this->getDefaultVars();
      $vars['metadata'] = $defaults['metadata'] . "<meta http-equiv='refresh' content='$again'>\n";
    }
    return $this->render('include/base.html.twig', $this->mergeWithDefault($vars));
  }

  private function isThere(array $file, $back)
  {
    if ($back !== null) {
      return new RedirectResponse(Traceback_uri() . "?$back");
    }
    $view = Traceback_uri() . '?' . http_build_query(
      array('mod' => 'view', 'upload' => $file['upload'], 'item' => $file['item']));
    $download = Traceback_uri() . '?' . http_build_query(
      array('mod' => 'download', 'upload' => $file['upload'], 'item' => $file['item']));
    $content = $this->getObject('twig.environment')->load('@backup/file-is-there.html.twig')->render(
      array('text' => sprintf(_("%s is there again."), $file['file']), 'view' => $view,
        'download' => plugin_find('download') ? $download : null));
    return $this->flushContent($content);
  }

  private function say($text, $code)
  {
    $response = $this->flushContent('<div class="alert alert-warning" role="alert">' .
      htmlspecialchars($text, ENT_QUOTES) . '</div>');
    $response->setStatusCode($code);
    return $response;
  }
}
