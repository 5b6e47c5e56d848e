/** Every load on the HTTP side runs and gives figures; how good they are is nobody's business here. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { loads } from '../../bench/http/loads.ts'
import type { HttpResults } from '../../bench/http/results.ts'
import { temporaryDirectory } from '../integration/support.ts'

test('npm run bench:http -- --brief asks everything once beside bare HTTP, and leaves nothing but its results', async t => {
  const directory = temporaryDirectory(t)
  const output = path.join(directory, 'out.json')
  const command = ['--import', 'tsx', 'bench/http.ts', '--brief', '--directory', directory, '--output', output]
  const { stdout } = await promisify(execFile)(process.execPath, command)
  const results = JSON.parse(readFileSync(output, 'utf8')) as HttpResults
  assert.deepEqual(
    results.loads.map(({ name, durability }) => [name, durability]),
    loads.map(({ name, durability }) => [name, durability]),
  )
  for (const { name, recordsPerRequest, answerBytes, runs, limits } of results.loads) {
    const [run, limit] = [runs[0]!, limits[0]!]
    assert.equal(run.errors + limit.errors, 0, name)
    assert.ok(run.requestsPerSecond > 0 && limit.requestsPerSecond > 0, name)
    assert.ok(Math.abs(run.recordsPerSecond - recordsPerRequest * run.requestsPerSecond) < 1e-6, name)
    assert.ok(answerBytes > 0, name)
    assert.ok(stdout.includes(name))
  }
  assert.deepEqual(readdirSync(directory), ['out.json'])
})
