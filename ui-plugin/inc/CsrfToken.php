<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Session\SessionInterface;

/**
 * @class CsrfToken
 * @brief Proves that a form was made by us, for this user, in this session
 *
 * FOSSology has no such protection, and other sites can make a browser send forms. The token is
 * made from a secret of the session and the user's key, so one that was handed out before somebody
 * else logged in is worth nothing.
 */
class CsrfToken
{
  /** The name of the form's field */
  const FIELD = 'backup_token';
  const SECRET = 'BackupCsrfSecret';

  /** @var SessionInterface */
  private $session;
  /** @var int */
  private $userId;

  /**
   * @param SessionInterface $session
   * @param int $userId Who is logged in (Auth::getUserId())
   */
  public function __construct(SessionInterface $session, $userId)
  {
    $this->session = $session;
    $this->userId = (int)$userId;
  }

  /**
   * @brief What a form carries in its field FIELD
   * @return string Hexadecimal, nothing in it has to be escaped
   */
  public function value()
  {
    $secret = $this->session->get(self::SECRET);
    if (!is_string($secret) || strlen($secret) < 64) {
      $secret = bin2hex(random_bytes(32));
      $this->session->set(self::SECRET, $secret);
    }
    return hash_hmac('sha256', 'user ' . $this->userId, $secret);
  }

  /**
   * @brief Whether a request may change something: it is a POST, and carries the token
   * @param Request $request
   * @return bool
   */
  public function isValid(Request $request)
  {
    if ($request->getMethod() !== 'POST') {
      return false;
    }
    // all(): a field that comes as a list is no token.
    $fields = $request->request->all();
    $given = isset($fields[self::FIELD]) ? $fields[self::FIELD] : null;
    return is_string($given) && hash_equals($this->value(), $given);
  }
}
