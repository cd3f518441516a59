<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief What FOSSology does where files are missing
 */
require_once __DIR__ . '/inc/autoload.php';

register_plugin(new Fossology\Backup\UI\Hooks());
register_plugin(new Fossology\Backup\UI\RecoverPage());
register_plugin(new Fossology\Backup\UI\RecoverAgent());
