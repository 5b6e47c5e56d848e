/** Every workload runs and gives figures; how good they are is nobody's business here. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { Results } from '../../bench/harness/results.ts'
import { pipelining } from '../../bench/raft/comparisons.ts'
import { temporaryDirectory } from '../integration/support.ts'

test('npm run bench -- --brief runs every workload beside its limit and leaves nothing but its results', async t => {
  const directory = temporaryDirectory(t)
  const output = path.join(directory, 'out')
  const command = ['--import', 'tsx', 'bench/run.ts', '--brief', '--directory', directory, '--output', output]
  const { stdout } = await promisify(execFile)(process.execPath, command)
  const results = JSON.parse(readFileSync(`${output}.json`, 'utf8')) as Results
  const files = readdirSync('bench/workloads').map(file => path.basename(file, '.json'))
  assert.deepEqual([...new Set(results.points.map(({ point }) => point.workload.name))].sort(), files.sort())
  for (const { point, runs, limits, failures } of results.points) {
    assert.deepEqual(failures, [])
    const run = runs.millrace![0]!
    assert.ok(run.recordsPerSecond > 0, point.workload.name)
    assert.ok(run.cpuSeconds.nodes !== null && run.cpuSeconds.client! > 0, point.workload.name)
    if (point.workload.isCold) assert.ok(run.start!.firstRecordSeconds > 0, point.workload.name)
    else assert.ok((limits[0]!.recordsPerSecond ?? limits[0]!.latency50pct)! > 0, point.workload.name)
    assert.ok(stdout.includes(point.workload.name))
  }
  for (const scaled of ['10 partitions', '10 connections', '100 MB'])
    assert.match(stdout, new RegExp(`\\| ${scaled} \\| millrace \\| .* (yes|no) \\|`))
  assert.equal(results.raft.length, pipelining.length)
  for (const { name, ratios } of results.raft) assert.ok(ratios[0]! > 0 && stdout.includes(name), name)
  for (const value of Object.values(results.machineLimits)) assert.ok(value > 0)
  assert.match(readFileSync(`${output}.html`, 'utf8'), /<svg/)
  assert.deepEqual(readdirSync(directory).sort(), ['out.html', 'out.json'])
})
