<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief Our templates, as @backup/<name>.html.twig, so that no name meets another module's
 */
$loader = $GLOBALS['container']->get('twig.loader');
$loader->addPath(__DIR__ . '/template', 'backup');
// FOSSology keeps compiled templates and never looks again whether they are still right, so those of
// the version before would be shown after an update of this module.
$GLOBALS['container']->get('twig.environment')->enableAutoReload();
