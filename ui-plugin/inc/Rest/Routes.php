<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Rest;

use Fossology\UI\Api\Controllers\RestController;
use Fossology\UI\Api\Exceptions\HttpErrorException;
use Slim\App;

/**
 * @class Routes
 * @brief Puts our routes into FOSSology's API, behind its own authentication
 *
 * The API looks for a route after it has prepared all plugins, so theirs is early enough. Below
 * /uploads it has a route that takes all that is left: that one leaves ours out from then on.
 */
class Routes
{
  const REST_OF_UPLOADS = '/uploads/{params:.*}';
  const REST_WITHOUT_OURS = '/uploads/{params:(?!\d+/recover$).*}';

  /** @return bool Whether there is an API of the kind that we know */
  public static function isPossible()
  {
    return !empty($GLOBALS['apiCall']) && isset($GLOBALS['app']) && $GLOBALS['app'] instanceof App &&
      class_exists(RestController::class) && class_exists(HttpErrorException::class);
  }

  /**
   * @param App $app FOSSology's API
   */
  public static function enter(App $app)
  {
    foreach ($app->getRouteCollector()->getRoutes() as $route) {
      if ($route->getPattern() === self::REST_OF_UPLOADS) {
        $route->setPattern(self::REST_WITHOUT_OURS);
      }
    }
    $app->get('/backup/status', BackupController::class . ':getStatus');
    $app->get('/backup/snapshots', BackupController::class . ':getSnapshots');
    $app->post('/backup/runs', BackupController::class . ':postRun');
    $app->post('/uploads/{id:\d+}/recover', BackupController::class . ':postRecover');
  }
}
