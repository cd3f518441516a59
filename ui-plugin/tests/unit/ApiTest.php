<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

use Fossology\Backup\UI\Rest\BackupController;
use Fossology\Backup\UI\Rest\Routes;
use Fossology\UI\Api\Exceptions\HttpErrorException;
use JsonSchema\Validator;
use PHPUnit\Framework\TestCase;
use Slim\App;
use Symfony\Component\Yaml\Yaml;

require_once 'FastRoute/autoload.php';
require_once 'JsonSchema/autoload.php';
require_once 'Symfony/Component/Yaml/autoload.php';
require_once dirname(__DIR__) . '/standin/api.php';

/** Our routes in FOSSology's API, and whether openapi.yaml says of them what is so */
class ApiTest extends TestCase
{
  private $instance;
  private $upload;
  private $item;
  private $app;

  protected function setUp(): void
  {
    $this->instance = new Instance();
    list($gold) = $this->instance->blob('gold', array('gold'));
    list($pfile) = $this->instance->blob('content', array());
    $this->upload = $this->instance->upload('a.tar', $gold);
    $this->item = $this->instance->item($this->upload, 'x.c', $pfile);
    $this->instance->readable = array($this->upload);
    $this->instance->editable = array($this->upload);
    $this->instance->logIn(10, 3);
    $this->app = new App();
    // As FOSSology has them, before ours come.
    $this->app->get('/uploads[/{id:\d+}]', 'getUploads');
    $this->app->map(array('GET', 'POST'), '/uploads/{params:.*}', 'BadRequest');
    Routes::enter($this->app);
  }

  protected function tearDown(): void
  {
    $this->instance->remove();
  }

  private static function openApi()
  {
    return Yaml::parseFile(dirname(__DIR__, 2) . '/openapi.yaml', Yaml::PARSE_OBJECT_FOR_MAP);
  }

  /** Does a request, and compares what it is and what comes with openapi.yaml */
  private function ask($method, $path, $body = '', $version = 2, array $values = array())
  {
    list($callable, $arguments) = $this->app->find($method, $path);
    list($class, $name) = explode(':', $callable);
    $response = new ApiResponse();
    try {
      $controller = new $class($this->instance);
      $response = $controller->$name(new ApiRequest($version, $values, $body), $response, $arguments);
    } catch (HttpErrorException $error) {
      $response->withJson(array('code' => $error->getCode(), 'message' => $error->getMessage(),
        'type' => 'ERROR'), $error->getCode());
    }
    $described = preg_replace('#^/uploads/\d+/#', '/uploads/{id}/', $path);
    $this->expectAsDescribed($described, strtolower($method), $response);
    return $response;
  }

  private function expectAsDescribed($path, $method, ApiResponse $response)
  {
    $openApi = self::openApi();
    $responses = $openApi->paths->$path->$method->responses;
    $code = (string)$response->code;
    $this->assertTrue(isset($responses->$code), "$code of $path is described");
    $described = $responses->$code;
    $ref = '$ref';
    if (isset($described->$ref)) {
      $described = $openApi->components->responses->{basename($described->$ref)};
    }
    $schema = clone $openApi;
    $schema->allOf = array($described->content->{'application/json'}->schema);
    $value = json_decode($response->body);
    $validator = new Validator();
    $validator->validate($value, $schema);
    $this->assertSame(array(), $validator->getErrors(), $response->body);
  }

  public function testEachDescribedRouteIsThereAndEachRouteIsDescribed()
  {
    $described = array();
    foreach (self::openApi()->paths as $path => $methods) {
      foreach (array_intersect(array('get', 'post', 'put', 'delete'), array_keys((array)$methods)) as $one) {
        $described[] = strtoupper($one) . ' ' . $path;
      }
    }
    $there = array();
    foreach ($this->app->getRoutes() as $route) {
      if (strpos($route->callable, BackupController::class) === 0) {
        $there[] = $route->methods[0] . ' ' . str_replace('{id:\d+}', '{id}', $route->getPattern());
      }
    }
    $this->assertSame($described, $there);
  }

  public function testOnlyOurRouteBelowUploadsIsTakenFromFossologysRest()
  {
    list($ours, $arguments) = $this->app->find('POST', '/uploads/5/recover');
    $this->assertSame(BackupController::class . ':postRecover', $ours);
    $this->assertSame(array('id' => '5'), $arguments);
    foreach (array('/uploads/5/nonsense', '/uploads/x/recover', '/uploads/5/recover/more',
      '/uploads/5/recovery') as $path) {
      $this->assertSame('BadRequest', $this->app->find('POST', $path)[0], $path);
    }
    $this->assertSame('getUploads', $this->app->find('GET', '/uploads/5')[0]);
  }

  private function history()
  {
    $this->instance->query("INSERT INTO backup_run (verb, mode, state, host, who, snapshot, ended, counts)
      SELECT 'backup', 'full', CASE n WHEN 5 THEN 'incomplete' ELSE 'done' END, 'h', 'w', 's' || n, now(),
        '{\"new\": 1}' FROM generate_series(1, 5) n;
      INSERT INTO backup_run (verb, state, host, who, message) VALUES
        ('backup', 'failed', 'h', 'w', 'full disk'), ('check', 'running', 'h', 'w', NULL);
      INSERT INTO backup_finding (kind) VALUES ('missing'), ('missing'), ('orphan')");
  }

  public function testTheStatusTellsTheNewestCompleteSnapshotAndTheLastOfEach()
  {
    $this->assertNull(json_decode($this->ask('GET', '/backup/status')->body)->newestSnapshot);
    $this->history();
    $this->ask('POST', '/backup/runs', '{"verb": "backup"}');
    $status = json_decode($this->ask('GET', '/backup/status')->body, true);
    $this->assertSame('s4', $status['newestSnapshot']['id']);
    $this->assertSame(array('check', 'backup'), array_column($status['lastRuns'], 'verb'));
    $this->assertSame('full disk', $status['lastRuns'][1]['message']);
    $this->assertSame(array('missing' => 2, 'orphan' => 1), $status['findings']);
    $this->assertSame('queued', $status['openRequests'][0]['state']);
  }

  public function testSnapshotsComeInPagesByTheRulesOfEachVersion()
  {
    $this->history();
    foreach (array(1, 2) as $version) {
      $answer = $this->ask('GET', '/backup/snapshots', '', $version, array('page' => '2', 'limit' => '2'));
      $this->assertSame(array('s3', 's2'), array_column(json_decode($answer->body, true), 'id'));
      $this->assertSame('3', $answer->headers['X-Total-Pages']);
    }
    $all = json_decode($this->ask('GET', '/backup/snapshots')->body, true);
    $this->assertSame(array(false, true), array($all[0]['complete'], $all[1]['complete']));
    foreach (array('0', 'x', '1001') as $limit) {
      $this->assertSame(400,
        $this->ask('GET', '/backup/snapshots', '', 2, array('limit' => $limit))->code);
    }
  }

  public function testSnapshotsAreCalledAsRetentionLeftThem()
  {
    $this->history();
    $this->instance->query("INSERT INTO backup_run (verb, state, host, who, ended, counts) VALUES
      ('expire', 'done', 'h', 'w', now(),
       '{\"gone\": [\"s4\"], \"renamed\": [{\"from\": \"s3\", \"to\": \"s3b\"}]}')");
    $all = json_decode($this->ask('GET', '/backup/snapshots')->body, true);
    $this->assertSame(array('s5' => true, 's4' => false, 's3b' => true, 's2' => true, 's1' => true),
      array_column($all, 'kept', 'id'));
    $status = json_decode($this->ask('GET', '/backup/status')->body, true);
    $this->assertSame('s3b', $status['newestSnapshot']['id']);
  }

  /** @dataProvider runs */
  public function testARunIsQueuedAsItsVerbTakesIt($body, $parameters)
  {
    $this->assertSame(201, $this->ask('POST', '/backup/runs', $body)->code);
    $this->assertSame($parameters, $this->instance->one('SELECT parameters FROM backup_request'));
  }

  public static function runs()
  {
    return array(
      array('{"verb": "backup"}', '{"mode": "full"}'),
      array('{"verb": "backup", "mode": "gold"}', '{"mode": "gold"}'),
      array('{"verb": "check", "deep": true, "uploads": [2]}', '{"deep": true, "uploads": [2]}'),
      array('{"verb": "verify", "percent": 5}', '{"read_data": 5.0}'),
      array('{"verb": "recover", "uploads": [2]}', '{"uploads": [2]}'),
      array('{"verb": "recover"}', '{"missing": true}'),
      array('{"verb": "drill"}', '{}'));
  }

  public function testWhatMakesNoSenseIsSaidAndNotQueued()
  {
    foreach (array('', '[]', 'x', '{"verb": "destroy"}', '{"verb": ["backup"]}',
      '{"verb": "backup", "mode": "half"}', '{"verb": "backup", "deep": true}',
      '{"verb": "check", "uploads": [0]}', '{"verb": "check", "uploads": 5}',
      '{"verb": "verify", "percent": 101}') as $body) {
      $this->assertSame(400, $this->ask('POST', '/backup/runs', $body)->code, $body);
    }
    $this->assertSame('0', $this->instance->one('SELECT count(*) FROM jobqueue'));
  }

  public function testSystemWideThingsAreForAdministrators()
  {
    $this->instance->logIn(5);
    $this->assertSame(403, $this->ask('GET', '/backup/status')->code);
    $this->assertSame(403, $this->ask('GET', '/backup/snapshots')->code);
    $this->assertSame(403, $this->ask('POST', '/backup/runs', '{"verb": "backup"}')->code);
  }

  public function testWhoMayChangeAnUploadMayRecoverIt()
  {
    $this->instance->logIn(3);
    $first = json_decode($this->ask('POST', "/uploads/$this->upload/recover")->body, true);
    $again = json_decode($this->ask('POST', "/uploads/$this->upload/recover")->body, true);
    $this->assertSame($first['job'], $again['job']);
    $this->assertSame((string)$this->upload, $this->instance->one('SELECT jq_args FROM jobqueue'));
    $this->instance->editable = array();
    $this->assertSame(403, $this->ask('POST', "/uploads/$this->upload/recover")->code);
    $this->instance->readable = array();
    $this->assertSame(403, $this->ask('POST', "/uploads/$this->upload/recover")->code);
    $this->assertSame(404, $this->ask('POST', '/uploads/999/recover')->code);
    $this->assertSame('1', $this->instance->one('SELECT count(*) FROM jobqueue'));
  }

  public function testASingleItemOfTheUploadCanBeRecovered()
  {
    $this->assertSame(201,
      $this->ask('POST', "/uploads/$this->upload/recover", "{\"item\": $this->item}")->code);
    $this->assertStringContainsString(sha1('content'),
      $this->instance->one('SELECT parameters FROM backup_request'));
    $other = $this->instance->item($this->instance->upload('b.tar', null), 'y.c',
      $this->instance->blob('other', array())[0]);
    foreach (array($other, 99999, '"x"') as $item) {
      $this->assertSame(404,
        $this->ask('POST', "/uploads/$this->upload/recover", "{\"item\": $item}")->code);
    }
  }

  public function testWithoutOurTablesItIsSaidWhatToDo()
  {
    $this->instance->query('DROP TABLE backup_instance');
    foreach (array(array('GET', '/backup/status'), array('GET', '/backup/snapshots'),
      array('POST', '/backup/runs'), array('POST', "/uploads/$this->upload/recover")) as $call) {
      $answer = $this->ask($call[0], $call[1], '{"verb": "backup"}');
      $this->assertSame(503, $answer->code);
      $this->assertStringContainsString('fo_backup install', $answer->body);
    }
  }
}
