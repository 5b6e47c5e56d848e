#!/usr/bin/env node
'use strict'
// Starts the command line. CommonJS on purpose: libuv's pool takes its size from the environment when it is first used,
// and loading an ES module uses it. Log syncs and LMDB's share that pool, and four threads let one starve the other.
process.env.UV_THREADPOOL_SIZE ??= '16'

const { existsSync } = require('node:fs')
const path = require('node:path')
const { pathToFileURL } = require('node:url')

const root = path.join(__dirname, '..')
const main = path.join(root, 'dist', 'cli', 'main.js')
if (!existsSync(main)) {
  // Only in a checkout: the package ships `dist`.
  const { spawnSync } = require('node:child_process')
  const built = spawnSync(process.execPath, [path.join(root, 'scripts', 'build.mjs')], { stdio: ['ignore', 2, 2] })
  if (built.status !== 0) process.exit(1)
}
require('node:module').enableCompileCache?.()
import(pathToFileURL(main).href).catch(error => {
  process.stderr.write(`millrace: ${error.stack}\n`)
  process.exit(1)
})
