/** The runner's own promises: turns, failures that cost nobody else a figure, peers that are missing by name, nothing left. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { type RunnerOptions, runBenchmarks } from '../../bench/harness/runner.ts'
import type { Cluster, Sample, System, Timing } from '../../bench/harness/system.ts'
import { nameOf, readWorkloads } from '../../bench/harness/workload.ts'
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

interface FakeParts extends Partial<Omit<System, 'name'>> {
  readonly fill?: () => boolean
  readonly measure?: (timing: Timing) => Sample
}

/** Writes down what it is asked for. */
function fakeSystem(calls: string[], name: string, { fill, measure, ...parts }: FakeParts = {}): System {
  return {
    name,
    missing: async () => null,
    async start(): Promise<Cluster> {
      calls.push(`start ${name}`)
      return {
        version: '1',
        configuration: {},
        pids: [process.pid],
        firstRecordSeconds: 1,
        async fill(point) {
          calls.push(`${name} fills ${nameOf(point)}`)
          return fill?.() ?? true
        },
        async measure(_point, timing) {
          calls.push(`${name} ${timing.warmupSeconds}`)
          return measure?.(timing) ?? sample
        },
        async restart() {
          calls.push(`restart ${name}`)
        },
        async [Symbol.asyncDispose]() {
          calls.push(`stop ${name}`)
        },
      }
    },
    ...parts,
  }
}

function failing(): never {
  throw new Error('out of order')
}

function optionsOf(directory: string, workload: string, systems: readonly System[]): RunnerOptions {
  return {
    workloads: readWorkloads([workload]).map(parsed => ({ ...parsed, durability: ['os'] })),
    systems,
    consensus: { comparisons: [], warmupSeconds: 0 },
    repetitions: 2,
    timing: { warmupSeconds: 0, seconds: 1, scale: 1 },
    limitSeconds: 0.02,
    systemWarmupSeconds: () => 7,
    settleSeconds: 0,
    directory,
    signal: new AbortController().signal,
    tell: () => {},
  }
}

test('systems take turns; what fails or is missing is told, and the others have their figures', async t => {
  const directory = temporaryDirectory(t)
  const calls: string[] = []
  const systems = [
    fakeSystem(calls, 'a'),
    fakeSystem(calls, 'b', { measure: ({ warmupSeconds }) => (warmupSeconds === 7 ? sample : failing()) }),
    fakeSystem(calls, 'absent', { missing: async () => 'it needs a thing' }),
    fakeSystem(calls, 'broken', { start: async () => failing() }),
  ]
  const results = await runBenchmarks(optionsOf(directory, 'produce-1-lone', systems))
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

test('a backlog is written once and read every time, by whoever can', async t => {
  const directory = temporaryDirectory(t)
  const calls: string[] = []
  const systems = [
    fakeSystem(calls, 'a'),
    fakeSystem(calls, 'unable', { fill: () => false }),
    fakeSystem(calls, 'full', { fill: failing }),
  ]
  const { points } = await runBenchmarks(optionsOf(directory, 'consume-1-1KiB', systems))
  const { runs, failures } = points[0]!
  const reads = ['a fills consume-1-1KiB os', 'a 7', 'a 0', 'a 0']
  assert.deepEqual(
    calls.filter(call => call.startsWith('a ')),
    reads,
  )
  assert.equal(calls.filter(call => / [07]$/.test(call)).length, 3)
  assert.deepEqual([runs.a!.length, runs.unable, runs.full], [2, [null, null], [null, null]])
  assert.deepEqual(failures, ['consume-1-1KiB os on full: out of order'])
})

test('a backlog that the disk has no room for is a failure that says so', async t => {
  const calls: string[] = []
  const options = optionsOf(temporaryDirectory(t), 'consume-1-1KiB', [fakeSystem(calls, 'a')])
  const workloads = options.workloads.map(workload => ({ ...workload, consumerBacklogSizeGB: [1e9] }))
  const { points } = await runBenchmarks({ ...options, workloads })
  assert.match(points[0]!.failures.join(), /consume-1-1KiB os on a: .* GB left, and 2000000002.00 GB are needed/)
  assert.deepEqual(calls, ['start a', 'stop a'])
})

test('what is cold has nodes of its own in every run, and others of them read a backlog', async t => {
  const directory = temporaryDirectory(t)
  const calls: string[] = []
  const systems = [
    fakeSystem(calls, 'a'),
    fakeSystem(calls, 'unable', { fill: () => false }),
    fakeSystem(calls, 'broken', { start: async () => failing() }),
  ]
  const { points } = await runBenchmarks(optionsOf(directory, 'cold-', systems))
  const [consuming, producing] = points
  const consumed = ['start a', 'a fills cold-consume-1 os', 'restart a', 'a 0', 'stop a']
  const produced = ['start a', 'a 0', 'stop a']
  assert.deepEqual(
    calls.filter(call => / ?\ba\b/.test(call)),
    [...consumed, ...produced, ...consumed, ...produced],
  )
  assert.deepEqual(consuming!.runs.unable, [null, null])
  assert.deepEqual(producing!.runs.broken, [null, null])
  assert.deepEqual(producing!.failures, [
    'cold-produce-1 os on broken: out of order',
    'cold-produce-1 os on broken: out of order',
  ])
  const { start } = producing!.runs.a![1]!
  assert.equal(start!.firstRecordSeconds, 1)
  assert.equal(start!.isPageCacheDropped, null)
  assert.equal(typeof consuming!.runs.a![0]!.start!.isPageCacheDropped, 'boolean')
  assert.deepEqual(readdirSync(directory), [])
})
