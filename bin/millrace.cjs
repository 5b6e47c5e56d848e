#!/usr/bin/env node
'use strict'
// Starts the command line. CommonJS on purpose: libuv's pool takes its size from the environment when it is first used,
// and loading an ES module uses it. Log syncs and LMDB's share that pool, and four threads let one starve the other.
process.env.UV_THREADPOOL_SIZE ??= '16'

// Frames are memory outside V8's heap, and V8 counts them against a limit it derives from the heap's live size: with a
// small heap that is a full collection every few dozen megabytes of traffic. A node spent a third of its time on it.
require('node:v8').setFlagsFromString('--heap-growing-percent=900')

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
