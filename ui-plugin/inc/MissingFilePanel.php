<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Fossology\Lib\Auth\Auth;

/**
 * @class MissingFilePanel
 * @brief What people see in the place of a file that is not in the repository
 *
 * Who may not see the upload learns nothing. Who may read it sees what happened and whom to ask,
 * who may change it gets a button. Whatever goes wrong here is said in words: the pages around it
 * must not break.
 */
class MissingFilePanel
{
  /** @var \Psr\Container\ContainerInterface */
  private $container;
  /** @var MissingFileDao */
  private $dao;
  /** @var RepositoryFiles */
  private $files;

  /**
   * @param \Psr\Container\ContainerInterface $container FOSSology's
   * @param array $sysConf FOSSology's $SysConf
   */
  public function __construct($container, array $sysConf)
  {
    $this->container = $container;
    $this->dao = new MissingFileDao($container->get('db.manager'));
    $this->files = new RepositoryFiles($sysConf);
  }

  /** @return MissingFilePanel The one of the FOSSology that shows this page */
  public static function here()
  {
    global $container, $SysConf;
    return new self($container, $SysConf);
  }

  /**
   * @brief The panel as HTML
   * @param int $itemId uploadtree_pk
   * @param string|null $back The address's query part to which the way leads back; the page of the
   *   recovery itself without it
   * @param bool $follows Whether the page is loaded again by itself
   * @return string
   */
  public function html($itemId, $back = null, $follows = false)
  {
    try {
      $file = $this->dao->getFile($itemId);
      if ($file === null || !Rights::mayRead($this->container, $file['upload'])) {
        return '<p>' . _("There is no such file, or you may not see it.") . '</p>';
      }
      return $this->container->get('twig.environment')->load('@backup/missing-file.html.twig')
        ->render($this->vars($file, $back) + array('follows' => $follows));
    } catch (\Throwable $failed) {
      $this->container->get('logger')->error('fo_backup: ' . $failed->getMessage());
      return '<p>' . _("It could not be found out why. An administrator can see it by: fo_backup check")
        . '</p>';
    }
  }

  /**
   * @brief What the template shows
   * @param array $file As of MissingFileDao::getFile()
   * @param string|null $back
   * @return array
   */
  private function vars(array $file, $back)
  {
    $gold = $file['gold'] !== null && $this->files->has('gold', $file['gold']);
    $known = $this->dao->getStory($file);
    $story = new MissingFileStory($file, $known, $gold, Auth::isAdmin());
    $recovery = $this->dao->getRecovery($file);
    $open = $recovery !== null && in_array($recovery['state'], array('queued', 'running'), true);
    if (!$open && $recovery !== null && $recovery['ended'] < self::missingSince($known)) {
      // What was before that says nothing about it.
      $recovery = null;
    }
    // FOSSology's pages look at the first place only, and cannot read what belongs to others.
    $isThere = $this->files->has('files', $file['name']);
    $mayRecover = !$isThere && Rights::mayRecover($this->container, $file['upload']);
    $token = new CsrfToken($this->container->get('session'), Auth::getUserId());
    return array(
      'title' => sprintf(_("The content of %s is not here now"), $file['file']),
      'what' => $isThere ? _("It is in the repository, but this page cannot read it: it lies on a storage " .
        "host where pages do not look, or its owner or mode are wrong. 'fo_backup check' tells an " .
        "administrator which.") : $story->what(),
      'ways' => $isThere ? array() : $story->ways(),
      'time' => $mayRecover && !$open ? $this->time($file['upload']) : null,
      'recovery' => $recovery === null ? null : $this->recoveryVars($recovery, $file, $back),
      'open' => $open,
      'mayRecover' => $mayRecover && !$open,
      'oneText' => $story->chance() === MissingFileStory::UNLIKELY ?
        _("Try to bring this file back") : _("Bring this file back"),
      'allText' => sprintf(_("Bring back all missing files of %s"), $file['uploadName']),
      'askWhom' => $mayRecover || $isThere ? null : $this->askWhom($file),
      'action' => Traceback_uri() . '?mod=' . RecoverPage::NAME,
      'item' => $file['item'],
      'upload' => $file['upload'],
      'back' => self::localQuery($back),
      'tokenField' => CsrfToken::FIELD,
      'token' => $token->value());
  }

  private function time($uploadId)
  {
    $rate = $this->dao->getRate();
    return MissingFileStory::time($rate === null ? null : $this->dao->getUploadBytes($uploadId), $rate);
  }

  private static function missingSince(array $known)
  {
    return max($known['state'] === null ? 0 : $known['state']['since'],
      $known['restore'] === null ? 0 : $known['restore']['ended']);
  }

  private function recoveryVars(array $recovery, array $file, $back)
  {
    $words = array(
      'queued' => _("A recovery waits in the queue."),
      'running' => _("A recovery is running."),
      'done' => _("The last recovery did not bring this file back, or it was lost again since."),
      'incomplete' => _("The last recovery brought back what it could; this file did not come, or was " .
        "lost again since."),
      'failed' => _("The last recovery failed, or was ended before it was through."));
    $message = Auth::isAdmin() ? explode("\n", trim((string)$recovery['message'])) : array('');
    return array(
      'words' => $words[$recovery['state']],
      'detail' => self::recoveryDetail($recovery),
      'jobText' => sprintf(_("job %d"), $recovery['job']),
      'jobUri' => Traceback_uri() . '?mod=showjobs&upload=' . $file['upload'],
      // It may name places on the disk.
      'message' => $message[0],
      'more' => implode("\n", array_slice($message, 1)),
      'followUri' => RecoverPage::uri($file['upload'], $file['item'], self::localQuery($back)));
  }

  private static function recoveryDetail(array $recovery)
  {
    if ($recovery['state'] === 'queued') {
      return sprintf(_("Asked for at %s."), MissingFileStory::date($recovery['asked']));
    }
    if ($recovery['state'] === 'running') {
      return sprintf(_("Since %s; %d files done."), MissingFileStory::date($recovery['started']),
        $recovery['items']);
    }
    return $recovery['ended'] === null ? '' :
      sprintf(_("It ended at %s."), MissingFileStory::date($recovery['ended']));
  }

  private function askWhom(array $file)
  {
    return $file['owner'] === null || $file['owner'] === '' ?
      _("You may read this upload, and not change it: ask an administrator to bring the file back.") :
      sprintf(_("You may read this upload, and not change it: ask %s, who uploaded it, or an " .
        "administrator to bring the file back."), $file['owner']);
  }

  /**
   * @brief What of a query part may be led back to: a page of this FOSSology with numbers and words
   * @param string|null $query
   * @return string|null
   */
  public static function localQuery($query)
  {
    parse_str((string)$query, $fields);
    $plain = array_filter($fields, function ($value, $name) {
      return is_string($value) && preg_match('/^[A-Za-z0-9_.-]{1,64}$/D', $value) &&
        preg_match('/^[A-Za-z_]{1,32}$/D', $name);
    }, ARRAY_FILTER_USE_BOTH);
    return isset($plain['mod']) ? http_build_query($plain) : null;
  }
}
