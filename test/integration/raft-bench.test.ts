/** `millrace bench raft`: processes of its own, a result that adds up, nothing left behind. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { temporaryDirectory } from './support.ts'

interface Result {
  readonly commits: number
  readonly seconds: number
  readonly commitsPerSecond: number
  readonly entriesPerSecond: number
  readonly latencyMs: { readonly p50: number; readonly max: number }
  readonly cpuSeconds: { readonly nodes: number }
}

test('bench raft measures a group of its own and cleans up', async t => {
  const directory = temporaryDirectory(t)
  const options = [
    '--seconds',
    '1',
    '--warmup',
    '0',
    '--batch',
    '3',
    '--delay',
    '2',
    '--window',
    '4',
    '--dir',
    directory,
  ]
  const command = ['bin/millrace.cjs', 'bench', 'raft', '--format', 'json', ...options]
  const { stdout } = await promisify(execFile)(process.execPath, command)
  const result = JSON.parse(stdout) as Result
  assert.ok(result.commits > 0)
  assert.equal(result.commitsPerSecond, result.commits / result.seconds)
  assert.equal(result.entriesPerSecond, 3 * result.commitsPerSecond)
  assert.ok(result.latencyMs.p50 > 0 && result.latencyMs.max >= result.latencyMs.p50)
  assert.ok(result.cpuSeconds.nodes > 0)
  assert.deepEqual(readdirSync(directory), [])
})
