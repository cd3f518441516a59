<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI\Tests;

/**
 * @class Browser
 * @brief A headless Chromium, driven by WebDriver: only what the tests need of it
 */
class Browser
{
  const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
  /** How long something may take to appear, in seconds */
  const PATIENCE = 15;

  private $driver;
  private $base;
  private $session;

  /** @return bool Whether Debian's chromium and chromium-driver are here */
  public static function isThere()
  {
    return self::find('chromedriver') !== '' && self::find('chromium') !== '';
  }

  private static function find($program)
  {
    return trim((string)shell_exec('command -v ' . escapeshellarg($program)));
  }

  public function __construct($width = 1250, $height = 900, $scripts = true)
  {
    $port = Process::port();
    $this->driver = new Process(array(self::find('chromedriver'), "--port=$port"), $port);
    $this->base = "http://127.0.0.1:$port";
    $options = array('binary' => self::find('chromium'), 'args' => array('--headless=new', '--no-sandbox',
      '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars', "--window-size=$width,$height"));
    if (!$scripts) {
      $options['prefs'] = array('profile.managed_default_content_settings.javascript' => 2);
    }
    $answer = $this->call('POST', '/session', array('capabilities' => array('alwaysMatch' =>
      array('browserName' => 'chrome', 'goog:chromeOptions' => $options))));
    $this->base .= '/session/' . $answer['sessionId'];
  }

  public function __destruct()
  {
    try {
      $this->call('DELETE', '');
    } catch (\Exception $gone) {
      // The driver ends with us anyway.
    }
    unset($this->driver);
  }

  public function open($url)
  {
    $this->call('POST', '/url', array('url' => $url));
  }

  /** @return string */
  public function url()
  {
    return $this->call('GET', '/url');
  }

  /** @return string[] Elements */
  public function all($selector)
  {
    $found = $this->call('POST', '/elements', array('using' => 'css selector', 'value' => $selector));
    return array_column($found, self::ELEMENT);
  }

  /** @return string[] What they say */
  public function texts($selector)
  {
    return array_map(array($this, 'textOf'), $this->all($selector));
  }

  private function textOf($element)
  {
    return $this->call('GET', "/element/$element/text");
  }

  /** @return string */
  public function text($selector)
  {
    return $this->textOf($this->wait($selector));
  }

  public function click($selector)
  {
    $this->call('POST', '/element/' . $this->wait($selector) . '/click', new \stdClass());
  }

  public function type($selector, $text)
  {
    $this->call('POST', '/element/' . $this->wait($selector) . '/value', array('text' => $text));
  }

  /** @return string|null */
  public function attribute($selector, $name)
  {
    return $this->call('GET', '/element/' . $this->wait($selector) . "/attribute/$name");
  }

  /** @brief Waits until an element is there, and with this text in it */
  public function wait($selector, $text = '')
  {
    $until = microtime(true) + self::PATIENCE;
    do {
      try {
        foreach ($this->all($selector) as $element) {
          if ($text === '' || strpos($this->textOf($element), $text) !== false) {
            return $element;
          }
        }
      } catch (\Exception $between) {
        // Between two pages an element may be gone before it has said its text.
      }
      usleep(50000);
    } while (microtime(true) < $until);
    throw new \Exception("$selector with '$text' did not appear; there is: " .
      substr($this->call('POST', '/execute/sync', array('script' => 'return document.body.innerText',
        'args' => array())), 0, 2000));
  }

  /** @brief Waits until there is no such element any more */
  public function waitUntilGone($selector)
  {
    $until = microtime(true) + self::PATIENCE;
    while ($this->all($selector)) {
      if (microtime(true) > $until) {
        throw new \Exception("$selector is still there");
      }
      usleep(50000);
    }
  }

  /** @return mixed */
  public function run($script)
  {
    return $this->call('POST', '/execute/sync', array('script' => $script, 'args' => array()));
  }

  /** @brief A picture of the page, or of its upper part */
  public function shoot($file, $width = 1250, $height = null)
  {
    $height = $height ?: $this->run('return document.documentElement.scrollHeight') + 20;
    // The window has a head, too, which is not in the picture.
    $height += $this->run('return window.outerHeight - window.innerHeight');
    $this->call('POST', '/window/rect', array('width' => $width, 'height' => $height));
    file_put_contents($file, base64_decode($this->call('GET', '/screenshot')));
  }

  private function call($method, $path, $body = null)
  {
    $answer = json_decode($this->send($method, $path, $body === null ? '' : json_encode($body)), true);
    $value = is_array($answer) && array_key_exists('value', $answer) ? $answer['value'] : $answer;
    if (is_array($value) && isset($value['error'])) {
      throw new \Exception("$method $path: $value[error]: " . strtok($value['message'], "\n"));
    }
    return $value;
  }

  /** The driver does not close the connection when it has answered, so what it says of the length counts */
  private function send($method, $path, $body)
  {
    $parts = parse_url($this->base . $path);
    $socket = fsockopen($parts['host'], $parts['port'], $code, $message, 5);
    stream_set_timeout($socket, 60);
    fwrite($socket, "$method $parts[path] HTTP/1.1\r\nHost: $parts[host]:$parts[port]\r\n" .
      "Content-Type: application/json\r\nContent-Length: " . strlen($body) . "\r\n\r\n$body");
    $length = 0;
    while (($line = fgets($socket)) !== false && trim($line) !== '') {
      if (stripos($line, 'Content-Length:') === 0) {
        $length = (int)substr($line, 15);
      }
    }
    $answer = (string)stream_get_contents($socket, $length);
    fclose($socket);
    return $answer;
  }
}
