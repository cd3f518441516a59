<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief Stand-ins for FOSSology's REST API and the Slim it stands on
 *
 * Routes are matched by the real FastRoute, as Slim's are; requests, answers and errors only have
 * what is used. FOSSology's own authentication, which comes before, is not here.
 */
namespace Slim {

  class App
  {
    private $routes = array();

    public function getRouteCollector()
    {
      return $this;
    }

    public function getRoutes()
    {
      return $this->routes;
    }

    public function map(array $methods, $pattern, $callable)
    {
      return $this->routes[] = new Route($methods, $pattern, $callable);
    }

    public function get($pattern, $callable)
    {
      return $this->map(array('GET'), $pattern, $callable);
    }

    public function post($pattern, $callable)
    {
      return $this->map(array('POST'), $pattern, $callable);
    }

    /** Which callable a request comes to, with its arguments; null where there is none */
    public function find($method, $path)
    {
      $dispatcher = \FastRoute\simpleDispatcher(function ($collector) {
        foreach ($this->routes as $route) {
          $collector->addRoute($route->methods, $route->getPattern(), $route->callable);
        }
      });
      $found = $dispatcher->dispatch($method, $path);
      return $found[0] === \FastRoute\Dispatcher::FOUND ? array($found[1], $found[2]) : null;
    }
  }

  class Route
  {
    public $methods;
    public $callable;
    private $pattern;

    public function __construct(array $methods, $pattern, $callable)
    {
      $this->methods = $methods;
      $this->pattern = $pattern;
      $this->callable = $callable;
    }

    public function getPattern()
    {
      return $this->pattern;
    }

    public function setPattern($pattern)
    {
      $this->pattern = $pattern;
      return $this;
    }
  }
}

namespace Fossology\UI\Api\Exceptions {

  class HttpErrorException extends \Exception
  {
    const CODE = 500;

    public function __construct($message, ?\Throwable $previous = null)
    {
      parent::__construct($message, static::CODE, $previous);
    }
  }

  class HttpBadRequestException extends HttpErrorException
  {
    const CODE = 400;
  }

  class HttpForbiddenException extends HttpErrorException
  {
    const CODE = 403;
  }

  class HttpNotFoundException extends HttpErrorException
  {
    const CODE = 404;
  }

  class HttpInternalServerErrorException extends HttpErrorException
  {
  }

  class HttpServiceUnavailableException extends HttpErrorException
  {
    const CODE = 503;
  }
}

namespace Fossology\UI\Api\Models {

  class InfoType
  {
    const INFO = 'INFO';
    const ERROR = 'ERROR';
  }

  class ApiVersion
  {
    const V1 = 1;
    const V2 = 2;

    public static function getVersion($request)
    {
      return $request->version;
    }
  }
}

namespace Fossology\UI\Api\Controllers {

  use Fossology\Lib\Auth\Auth;
  use Fossology\UI\Api\Exceptions\HttpForbiddenException;
  use Fossology\UI\Api\Exceptions\HttpNotFoundException;

  class RestController
  {
    protected $container;
    protected $restHelper;

    public function __construct($container)
    {
      $this->container = $container;
      $this->restHelper = new class {
        public function getUserId()
        {
          return Auth::getUserId();
        }

        public function getGroupId()
        {
          return Auth::getGroupId();
        }
      };
    }

    protected function throwNotAdminException(): void
    {
      if (!Auth::isAdmin()) {
        throw new HttpForbiddenException('Only admin can access this endpoint.');
      }
    }

    protected function uploadAccessible($id): void
    {
      $row = $this->container->get('db.manager')->getSingleRow('SELECT 1 FROM upload WHERE upload_pk = $1',
        array($id), __METHOD__);
      if ($row === false) {
        throw new HttpNotFoundException('Upload does not exist');
      }
      if (!$this->container->get('dao.upload')->isAccessible($id, Auth::getGroupId())) {
        throw new HttpForbiddenException('Upload is not accessible');
      }
    }
  }
}

namespace Fossology\Backup\UI\Tests {

  class ApiRequest
  {
    public $version;
    private $values;
    private $body;

    public function __construct($version, array $values = array(), $body = '')
    {
      $this->version = $version;
      $this->values = $values;
      $this->body = $body;
    }

    public function getQueryParams()
    {
      return $this->version === 2 ? $this->values : array();
    }

    public function getHeaderLine($name)
    {
      return $this->version === 1 && isset($this->values[$name]) ? $this->values[$name] : '';
    }

    public function getBody()
    {
      return $this->body;
    }
  }

  class ApiResponse
  {
    public $headers = array();
    public $body;
    public $code;

    public function withHeader($name, $value)
    {
      $this->headers[$name] = $value;
      return $this;
    }

    public function withJson($value, $code = 200)
    {
      $this->body = json_encode($value);
      $this->code = $code;
      return $this;
    }
  }
}
