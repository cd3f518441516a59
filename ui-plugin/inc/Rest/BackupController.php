<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Rest;

use Fossology\Backup\UI\BackupDao;
use Fossology\Backup\UI\BackupException;
use Fossology\Backup\UI\MissingFileDao;
use Fossology\Backup\UI\Recoveries;
use Fossology\Backup\UI\RequestQueue;
use Fossology\Backup\UI\Rights;
use Fossology\Backup\UI\Work;
use Fossology\UI\Api\Controllers\RestController;
use Fossology\UI\Api\Exceptions\HttpBadRequestException;
use Fossology\UI\Api\Exceptions\HttpForbiddenException;
use Fossology\UI\Api\Exceptions\HttpInternalServerErrorException;
use Fossology\UI\Api\Exceptions\HttpNotFoundException;
use Fossology\UI\Api\Exceptions\HttpServiceUnavailableException;
use Fossology\UI\Api\Models\ApiVersion;
use Fossology\UI\Api\Models\InfoType;

/**
 * @class BackupController
 * @brief Backups and recoveries over FOSSology's API; described in openapi.yaml
 */
class BackupController extends RestController
{
  /** How many snapshots a page has at most */
  const MOST = 1000;

  /**
   * @brief How it stands with backups: newest snapshot, last runs, open requests
   */
  public function getStatus($request, $response, $args)
  {
    $this->throwNotAdminException();
    return $response->withJson($this->history()->status(), 200);
  }

  /**
   * @brief The snapshots that backups have made, newest first
   */
  public function getSnapshots($request, $response, $args)
  {
    $this->throwNotAdminException();
    // As with other lists of the API: parameters in version 2, headers in version 1.
    $query = ApiVersion::getVersion($request) == ApiVersion::V2 ? $request->getQueryParams() :
      array('page' => $request->getHeaderLine('page'), 'limit' => $request->getHeaderLine('limit'));
    $page = self::number($query, 'page', 1, PHP_INT_MAX);
    $limit = self::number($query, 'limit', 100, self::MOST);
    $history = $this->history();
    return $response->withHeader('X-Total-Pages', (string)$history->snapshotPages($limit))
      ->withJson($history->snapshots($page, $limit), 200);
  }

  /**
   * @brief Queues a backup, check, verification, drill or recovery of the whole system
   */
  public function postRun($request, $response, $args)
  {
    $this->throwNotAdminException();
    $this->history();
    $body = $this->body($request);
    try {
      $work = self::work($body);
      $asked = RequestQueue::here()->ask($work, $this->restHelper->getUserId(),
        $this->restHelper->getGroupId());
    } catch (BackupException $refused) {
      throw new HttpBadRequestException($refused->getMessage(), $refused);
    }
    return $this->queued($response, $asked['job'], array('request' => $asked['request'],
      'note' => $asked['notTold']));
  }

  /**
   * @brief Queues the recovery of an upload's missing files, or of one of its items
   */
  public function postRecover($request, $response, $args)
  {
    $uploadId = intval($args['id']);
    $this->uploadAccessible($uploadId);
    if (!Rights::mayRecover($this->container, $uploadId)) {
      throw new HttpForbiddenException('Upload is not editable');
    }
    $this->history();
    $body = $this->body($request);
    $dbManager = $this->container->get('db.manager');
    try {
      if (isset($body['item'])) {
        $dao = new MissingFileDao($dbManager);
        $file = is_int($body['item']) ? $dao->getFile($body['item']) : null;
        if ($file === null || $file['upload'] !== $uploadId) {
          throw new HttpNotFoundException('Item does not exist');
        }
        Recoveries::here()->ask($file, false, $this->restHelper->getUserId(),
          $this->restHelper->getGroupId());
        $recovery = $dao->getRecovery($file);
        return $this->queued($response, $recovery['job'], array());
      }
      $entry = Recoveries::here()->askUpload($uploadId, $this->restHelper->getUserId(),
        $this->restHelper->getGroupId());
    } catch (BackupException $refused) {
      throw new HttpInternalServerErrorException($refused->getMessage(), $refused);
    }
    $row = $dbManager->getSingleRow('SELECT jq_job_fk FROM jobqueue WHERE jq_pk = $1', array($entry),
      __METHOD__);
    return $this->queued($response, (int)$row['jq_job_fk'], array());
  }

  private function history()
  {
    $dbManager = $this->container->get('db.manager');
    $backupDao = new BackupDao($dbManager);
    if (!$backupDao->isInstalled()) {
      throw new HttpServiceUnavailableException(
        "The backup module has no tables yet: run 'fo_backup install'");
    }
    return new History($dbManager, $backupDao);
  }

  /** The API's own form of an answer, and where to look how it goes on */
  private function queued($response, $job, array $more)
  {
    $info = array('code' => 201, 'message' => "Job $job is queued", 'type' => InfoType::INFO,
      'job' => $job);
    return $response->withJson(array_merge($info, array_filter($more, function ($value) {
      return $value !== null;
    })), 201);
  }

  private function body($request)
  {
    $content = trim((string)$request->getBody());
    $body = $content === '' ? array() : json_decode($content, true);
    if (!is_array($body)) {
      throw new HttpBadRequestException('The body has to be a JSON object');
    }
    return $body;
  }

  private static function work(array $body)
  {
    $known = array('backup' => array('mode'), 'check' => array('deep', 'uploads'),
      'verify' => array('percent'), 'recover' => array('uploads'), 'drill' => array());
    $verb = isset($body['verb']) && is_string($body['verb']) ? $body['verb'] : '';
    if (!isset($known[$verb])) {
      throw new HttpBadRequestException('verb has to be one of ' . implode(', ', array_keys($known)));
    }
    $unknown = array_diff(array_keys($body), $known[$verb], array('verb'));
    if ($unknown) {
      throw new HttpBadRequestException("$verb does not know " . implode(', ', $unknown));
    }
    $uploads = isset($body['uploads']) ? $body['uploads'] : array();
    $percent = isset($body['percent']) ? $body['percent'] : 0;
    if (!is_array($uploads) || !is_numeric($percent)) {
      throw new HttpBadRequestException('uploads is a list, percent a number');
    }
    switch ($verb) {
      case 'backup':
        return Work::backup(isset($body['mode']) ? $body['mode'] : 'full');
      case 'check':
        return Work::check(!empty($body['deep']), $uploads);
      case 'verify':
        return Work::verify($percent);
      case 'drill':
        return Work::drill();
      default:
        return $uploads ? Work::recoverUploads($uploads) : Work::recoverMissing();
    }
  }

  private static function number(array $query, $name, $default, $most)
  {
    if (!isset($query[$name]) || $query[$name] === '') {
      return $default;
    }
    $number = filter_var($query[$name], FILTER_VALIDATE_INT,
      array('options' => array('min_range' => 1, 'max_range' => $most)));
    if ($number === false) {
      throw new HttpBadRequestException("$name has to be a number from 1 to $most");
    }
    return $number;
  }
}
