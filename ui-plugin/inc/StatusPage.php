<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

/**
 * @class StatusPage
 * @brief How far running work is, as JSON, for the page that shows it
 */
class StatusPage extends AdminPage
{
  const NAME = 'backup_status';

  public function __construct()
  {
    parent::__construct(self::NAME, _("How far the backup is"), null);
  }

  protected function refuse($text, $code)
  {
    return new JsonResponse(array('error' => $text), $code === Response::HTTP_OK ?
      Response::HTTP_SERVICE_UNAVAILABLE : $code);
  }

  protected function show(Request $request, $problem = '')
  {
    $now = time();
    $response = new JsonResponse(array('open' => array_map(function ($request) use ($now) {
      return Progress::of($request, $now);
    }, $this->dao()->getOpenRequests())));
    $response->headers->set('Cache-Control', 'no-store');
    return $response;
  }
}
