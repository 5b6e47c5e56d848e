/** The runner's own promises: turns, failures that cost nobody else a figure, peers that are missing by name, nothing left. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { runBenchmarks } from '../../bench/harness/runner.ts'
import type { Cluster, Sample, System, Timing } from '../../bench/harness/system.ts'
import { readWorkloads } from '../../bench/harness/workload.ts'
import { temporaryDirectory } from '../integration/support.ts'

const sample: Sample = {
  records: 100,
  bytes: 10_000,
  seconds: 1,
  publishLatency: null,
  publishDelayLatency: null,
  endToEndLatency: null,
  series: [],
  clientCpuSeconds: 1,
  nodesCpuSeconds: 2,
  clientPeakBytes: null,
}

test('systems take turns; what fails or is missing is told, and the others have their figures', async t => {
  const directory = temporaryDirectory(t)
  const calls: string[] = []
  const systemOf = (name: string, parts: Partial<System> & { measure?: (timing: Timing) => Sample }): System => ({
    name,
    missing: async () => null,
    async start(): Promise<Cluster> {
      calls.push(`start ${name}`)
      return {
        version: '1',
        configuration: {},
        pids: [process.pid],
        startSeconds: 1,
        async measure(_point, timing) {
          calls.push(`${name} ${timing.warmupSeconds}`)
          return parts.measure === undefined ? sample : parts.measure(timing)
        },
        async [Symbol.asyncDispose]() {
          calls.push(`stop ${name}`)
        },
      }
    },
    ...parts,
  })
  const failing = (): never => {
    throw new Error('out of order')
  }
  const results = await runBenchmarks({
    workloads: readWorkloads(['produce-1-lone']).map(workload => ({ ...workload, durability: ['os'] })),
    systems: [
      systemOf('a', {}),
      systemOf('b', { measure: ({ warmupSeconds }) => (warmupSeconds === 7 ? sample : failing()) }),
      systemOf('absent', { missing: async () => 'it needs a thing' }),
      systemOf('broken', { start: async () => failing() }),
    ],
    repetitions: 2,
    timing: { warmupSeconds: 0, seconds: 1, scale: 1 },
    limitSeconds: 0.02,
    systemWarmupSeconds: () => 7,
    settleSeconds: 0,
    directory,
    signal: new AbortController().signal,
    tell: () => {},
  })
  const [point] = results.points
  assert.deepEqual(calls, ['start a', 'a 7', 'start b', 'b 7', 'a 0', 'b 0', 'b 0', 'a 0', 'stop b', 'stop a'])
  assert.deepEqual(
    point!.runs.a!.map(run => run!.recordsPerSecond),
    [100, 100],
  )
  assert.deepEqual(point!.runs.b, [null, null])
  assert.deepEqual(
    point!.limits.map(({ name }) => name),
    ['bare pipe', 'bare pipe'],
  )
  assert.match(point!.failures.join('\n'), /broken: it could not be started .* out of order\n.*b: out of order/)
  assert.deepEqual(
    results.systems.map(({ system, skipped, clusters }) => [system, skipped, clusters.length]),
    [
      ['a', null, 1],
      ['b', null, 1],
      ['absent', 'it needs a thing', 0],
      ['broken', null, 0],
    ],
  )
  assert.deepEqual(readdirSync(directory), [])
})
