<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief Stand-ins for FOSSology's functions and classes, as thin as they can be
 *
 * FOSSology itself cannot be installed for a test. So what our pages use of it is here with the
 * same names and signatures, and does just what is needed: the real DbManager, DefaultPlugin and
 * so on do more. They are used in tests and nowhere else.
 */
require_once __DIR__ . '/Auth.php';
require_once __DIR__ . '/Container.php';
require_once __DIR__ . '/DbManager.php';
require_once __DIR__ . '/Plugin.php';
require_once __DIR__ . '/functions.php';
require_once __DIR__ . '/SharedUploads.php';
