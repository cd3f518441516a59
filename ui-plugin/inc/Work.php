<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class Work
 * @brief What the agent can be asked for: a verb with its parameters
 *
 * The same as agent/operations/request.rs has it. One is only made by the functions below, which
 * refuse what makes no sense; the agent checks again.
 */
class Work
{
  /** @var string */
  private $verb;
  /** @var array */
  private $parameters;

  private function __construct($verb, array $parameters)
  {
    $this->verb = $verb;
    $this->parameters = $parameters;
  }

  /**
   * @param string $mode full or gold
   * @return Work
   * @throws BackupException
   */
  public static function backup($mode = 'full')
  {
    if (!in_array($mode, array('full', 'gold'), true)) {
      throw new BackupException(_("A backup is full or gold, nothing else."));
    }
    return new self('backup', array('mode' => $mode));
  }

  /**
   * @param bool $deep Whether every file is read
   * @param int[] $uploads Only what these need; all without one
   * @return Work
   * @throws BackupException
   */
  public static function check($deep = false, array $uploads = array())
  {
    return new self('check', array('deep' => (bool)$deep, 'uploads' => self::uploads($uploads)));
  }

  /**
   * @param int $percent How much of the vault's data is read, 0 to 100
   * @return Work
   * @throws BackupException
   */
  public static function verify($percent = 0)
  {
    if ($percent < 0 || $percent > 100) {
      throw new BackupException(_("A percentage is a number from 0 to 100."));
    }
    return new self('verify', $percent > 0 ? array('read_data' => (float)$percent) : array());
  }

  /**
   * @param int[] $uploads Which uploads' files are brought back
   * @return Work
   * @throws BackupException
   */
  public static function recoverUploads(array $uploads)
  {
    if (count($uploads) === 0) {
      throw new BackupException(_("No upload was chosen."));
    }
    return new self('recover', array('uploads' => self::uploads($uploads)));
  }

  /**
   * @param string[] $blobs Names of files in the repository: sha1.md5.size
   * @return Work
   * @throws BackupException
   */
  public static function recoverBlobs(array $blobs)
  {
    if (count($blobs) === 0) {
      throw new BackupException(_("No file was chosen."));
    }
    foreach ($blobs as $blob) {
      if (!preg_match('/^[0-9a-f]{40}\.[0-9a-f]{32}\.(0|[1-9][0-9]{0,18})$/iD', $blob)) {
        throw new BackupException(_("A file of the repository is called sha1.md5.size."));
      }
    }
    return new self('recover', array('blobs' => array_map('strtolower', array_values($blobs))));
  }

  /** @return Work All that is missing is brought back */
  public static function recoverMissing()
  {
    return new self('recover', array('missing' => true));
  }

  /** @return Work The newest snapshot is restored into a scratch place and compared */
  public static function drill()
  {
    return new self('drill', array());
  }

  /**
   * @param bool $dryRun Whether it only says what it would remove
   * @return Work What retention no longer keeps goes from the vault
   */
  public static function expire($dryRun)
  {
    return new self('expire', $dryRun ? array('dry_run' => true) : array());
  }

  /**
   * @param string|null $policy Its name; what fo_backup.toml says without one
   * @param bool $dryRun Whether it only says what would go
   * @param bool $prove Whether a dry run proves what is not proven yet
   * @return Work Unpacked files that a policy says not to keep are removed
   * @throws BackupException
   */
  public static function prune($policy, $dryRun, $prove = false)
  {
    $parameters = array();
    if ($policy !== null) {
      if (!preg_match('/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/D', $policy)) {
        throw new BackupException(_("That is no policy's name."));
      }
      $parameters['policy'] = $policy;
    }
    if ($dryRun) {
      $parameters['dry_run'] = true;
      if ($prove) {
        $parameters['prove'] = true;
      }
    }
    return new self('prune', $parameters);
  }

  /**
   * @param int[] $uploads
   * @return Work All comes back that was pruned of these
   * @throws BackupException
   */
  public static function undoPruning(array $uploads)
  {
    if (count($uploads) === 0) {
      throw new BackupException(_("No upload was chosen."));
    }
    return new self('prune', array('undo' => self::uploads($uploads)));
  }

  private static function uploads(array $uploads)
  {
    $numbers = array();
    foreach ($uploads as $upload) {
      $number = filter_var($upload, FILTER_VALIDATE_INT,
        array('options' => array('min_range' => 1, 'max_range' => 2147483647)));
      if ($number === false) {
        throw new BackupException(_("An upload's number is at least 1."));
      }
      $numbers[$number] = $number;
    }
    return array_values($numbers);
  }

  /** @return string */
  public function verb()
  {
    return $this->verb;
  }

  /** @return array */
  public function parameters()
  {
    return $this->parameters;
  }

  /** @return string JSON, always an object */
  public function json()
  {
    return json_encode((object)$this->parameters, JSON_PRESERVE_ZERO_FRACTION);
  }

  /**
   * @brief The same on the command line, behind 'fo_backup queue'
   * @return string[]
   */
  public function arguments()
  {
    $arguments = array($this->verb);
    foreach ($this->parameters as $name => $value) {
      $options = array('uploads' => '--upload', 'blobs' => '--blob');
      $option = isset($options[$name]) ? $options[$name] : '--' . str_replace('_', '-', $name);
      if (is_array($value)) {
        foreach ($value as $one) {
          $arguments[] = $option;
          $arguments[] = (string)$one;
        }
      } else if ($value === true) {
        $arguments[] = $option;
      } else if ($value !== false) {
        $arguments[] = "$option=$value";
      }
    }
    $asks = $this->verb === 'prune' && !isset($this->parameters['dry_run']) &&
      !isset($this->parameters['undo']);
    if ($asks) {
      // Nobody is there to answer.
      $arguments[] = '--yes';
    }
    return $arguments;
  }
}
