<?php
/*
 SPDX-FileCopyrightText: 2026 The fossology-backup authors

 SPDX-License-Identifier: GPL-2.0-only
*/

/**
 * @file
 * @brief Stand-ins for FOSSology's global functions. What they were called with is kept in
 * $GLOBALS['standin']
 */
use Fossology\Lib\Plugin\Plugin;

$GLOBALS['Plugins'] = array();
$GLOBALS['standin'] = array('menus' => array(), 'scheduler' => array());

function register_plugin(Plugin $plugin)
{
  if (isset($GLOBALS['Plugins'][$plugin->getName()])) {
    throw new \Exception('duplicate definition of plugin with name ' . $plugin->getName());
  }
  $GLOBALS['Plugins'][$plugin->getName()] = $plugin;
}

function plugin_find($pluginName)
{
  return isset($GLOBALS['Plugins'][$pluginName]) ? $GLOBALS['Plugins'][$pluginName] : null;
}

function menu_insert($path, $order = 0, $uri = null, $title = null)
{
  $GLOBALS['standin']['menus'][$path] = $uri;
}

function Traceback_uri()
{
  $parts = explode('?', isset($_SERVER['REQUEST_URI']) ? $_SERVER['REQUEST_URI'] : '', 2);
  return $parts[0];
}

/** Every word is heard; FOSSology's connects to its scheduler */
function fo_communicate_with_scheduler($input, &$output, &$error_msg)
{
  $GLOBALS['standin']['scheduler'][] = $input;
  return true;
}
