<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

namespace Fossology\Backup\UI;

/**
 * @class MissingFileStory
 * @brief Puts into words why a file is missing, what can bring it back, and how long that takes
 *
 * Pure: what is known goes in, sentences come out. They are plain text: whoever shows one has to
 * escape it. No word claims more than what is known.
 */
class MissingFileStory
{
  const CERTAIN = 'certain';
  const LIKELY = 'likely';
  const UNLIKELY = 'unlikely';

  /** @var array */
  private $file;
  /** @var array */
  private $story;
  /** @var bool */
  private $goldIsThere;
  /** @var bool */
  private $isAdmin;

  /**
   * @param array $file As of MissingFileDao::getFile()
   * @param array $story As of MissingFileDao::getStory()
   * @param bool $goldIsThere Whether the uploaded file lies in gold
   * @param bool $isAdmin Whether places on the disk may be named
   */
  public function __construct(array $file, array $story, $goldIsThere, $isAdmin)
  {
    $this->file = $file;
    $this->story = $story;
    $this->goldIsThere = $goldIsThere;
    $this->isAdmin = $isAdmin;
  }

  /** @return string What happened */
  public function what()
  {
    $state = $this->story['state'];
    $restore = $this->story['restore'];
    if ($state !== null && $state['kind'] === 'pruned') {
      return (string)$state['why'] === '' ?
        sprintf(_("It was removed on %s to save space, since it can be brought back."),
          self::date($state['since'])) :
        sprintf(_("It was removed on %s to save space, since it can be brought back (policy %s)."),
          self::date($state['since']), $state['why']);
    }
    if ($restore !== null && $restore['mode'] === 'gold') {
      return sprintf(_("This FOSSology was restored on %s from a backup that holds uploaded files only; " .
        "what had been unpacked from them did not come along."), self::date($restore['ended']));
    }
    if ($this->story['finding'] !== null) {
      $found = $this->story['checked'] === null ? _("A check found it missing.") :
        sprintf(_("It was lost: the check of %s found it missing or damaged."),
          self::date($this->story['checked']));
      return $this->isAdmin ? $found . ' ' . $this->story['finding'] : $found;
    }
    if ($restore !== null) {
      return sprintf(_("This FOSSology was restored on %s; the file may not have been in the backup, " .
        "or was lost since."), self::date($restore['ended']));
    }
    return _("It was lost. When and why is not known: no pruning, restore or check has noted it.");
  }

  /** @return string CERTAIN, LIKELY or UNLIKELY: whether it can come back */
  public function chance()
  {
    if ($this->goldIsThere && ($this->file['isUpload'] || $this->isProvenBy('gold'))) {
      return self::CERTAIN;
    }
    if ($this->goldIsThere && !$this->isNotReproducible()) {
      return self::LIKELY;
    }
    return $this->isProvenBy('vault') || $this->backedUp() !== null ? self::LIKELY : self::UNLIKELY;
  }

  /** @return string[] What can bring it back */
  public function ways()
  {
    $ways = array();
    $upload = $this->file['uploadName'];
    if ($this->file['isUpload']) {
      $ways[] = $this->goldIsThere ?
        _("It is the uploaded file itself, and its first copy (gold) is there: it is put back from that.") :
        _("It is the uploaded file itself, and its first copy (gold) is missing too.");
    } else if ($this->file['isNote']) {
      $ways[] = _("It holds what FOSSology noted when it unpacked an archive. Unpacking again makes other " .
        "notes; scans and clearing do not need them.");
    } else if ($this->isNotReproducible()) {
      $ways[] = sprintf(_("Unpacking %s again does not give it; that was tried before %s."),
        $upload, self::date($this->story['state']['since']));
    } else if ($this->goldIsThere) {
      $ways[] = sprintf($this->isProvenBy('gold') ?
        _("The uploaded file %s is there, and unpacking it again gives this file back.") :
        _("The uploaded file %s is there: unpacking it again should give this file back."), $upload);
    } else {
      $ways[] = sprintf(_("The uploaded file %s, from which it was unpacked, is missing too."), $upload);
    }
    $backup = $this->backedUp();
    if ($this->isProvenBy('vault')) {
      $ways[] = _("Before it was removed it was proven that a backup has it.");
    } else if ($backup !== null) {
      $ways[] = sprintf(_("The backup of %s should hold it too, if it is still kept and the file was not " .
        "missing then already."), self::date($backup));
    } else if ($this->chance() === self::UNLIKELY) {
      $ways[] = _("No backup is known here that would hold it. Uploading the same file once more helps.");
    }
    return $ways;
  }

  /**
   * @brief About how long it takes
   * @param float|null $bytes What has to be unpacked
   * @param float|null $rate Bytes a second that past recoveries gave
   * @return string
   */
  public static function time($bytes, $rate)
  {
    if ($rate === null || $rate <= 0 || $bytes === null) {
      return _("How long it takes is not known yet: nothing was recovered here so far.");
    }
    // The scheduler needs some seconds to begin.
    $seconds = 5 + $bytes / $rate;
    if ($seconds < 90) {
      $time = sprintf(_("%d seconds"), 10 * ceil($seconds / 10));
    } else if ($seconds < 5400) {
      $time = sprintf(_("%d minutes"), ceil($seconds / 60));
    } else {
      $time = sprintf(_("%d hours"), ceil($seconds / 3600));
    }
    return sprintf(_("The whole upload takes about %s, going by past recoveries; this file alone is " .
      "often there earlier. Jobs before it in the queue come on top."), $time);
  }

  /** @return float|null When the backup began that should hold it */
  private function backedUp()
  {
    $backup = $this->story['backup'];
    // Backups of gold carry along what unpacking does not give.
    $gold = $this->file['isUpload'] || $this->isNotReproducible() ? $backup['gold'] : null;
    $known = array_filter(array($backup['full'], $gold), function ($began) {
      return $began !== null;
    });
    return $known ? max($known) : null;
  }

  /** Whether what was pruned was proven to come back so; before schema 4 it was always gold */
  private function isProvenBy($what)
  {
    $state = $this->story['state'];
    if ($state === null || $state['kind'] !== 'pruned') {
      return false;
    }
    $proof = isset($state['proof']) ? $state['proof'] : 'gold';
    return $proof === $what || $proof === 'both';
  }

  private function isNotReproducible()
  {
    return $this->file['isNote'] || ($this->story['state'] !== null &&
      $this->story['state']['kind'] === 'not_reproducible');
  }

  /** @return string */
  public static function date($time)
  {
    return date('Y-m-d H:i', (int)$time);
  }
}
