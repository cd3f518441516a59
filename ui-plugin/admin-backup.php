<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief The pages for administrators, in menu Admin::Backup
 */
require_once __DIR__ . '/inc/autoload.php';

register_plugin(new \Fossology\Backup\UI\BackupPage());
register_plugin(new \Fossology\Backup\UI\StatusPage());
register_plugin(new \Fossology\Backup\UI\FindingsPage());
register_plugin(new \Fossology\Backup\UI\PrunePage());
