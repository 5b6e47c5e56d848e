/** What the benchmarks' figures pass through: workload files, statistics, names of results, comparison and report. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { compareResults, renderComparison } from '../../bench/harness/comparison.ts'
import { probesOf } from '../../bench/harness/limits.ts'
import { millrace } from '../../bench/harness/millrace.ts'
import { describePlan, type Plan, plannedSeconds } from '../../bench/harness/plan.ts'
import { cpuSecondsOf, peakBytesOf } from '../../bench/harness/processes.ts'
import {
  type PointResult,
  percentileOf,
  quantilesOf,
  type Results,
  resultsFormat,
  toRunResult,
} from '../../bench/harness/results.ts'
import { type Settings, wholeRun } from '../../bench/harness/settings.ts'
import { groupBy, middleOf, ratioSpread, spreadOf } from '../../bench/harness/statistics.ts'
import { limitRatio, mainMeasure, middleRun, scalingsOf } from '../../bench/harness/summary.ts'
import type { Sample } from '../../bench/harness/system.ts'
import { markdownOf } from '../../bench/harness/text.ts'
import {
  backlogRecordsOf,
  measuredRecordsOf,
  nameOf,
  type Point,
  parseWorkload,
  pointsOf,
  readWorkloads,
  topicOf,
  withoutLarge,
} from '../../bench/harness/workload.ts'
import { pipelining } from '../../bench/raft/comparisons.ts'
import type { ComparisonResult } from '../../bench/raft/measure.ts'
import { renderReport } from '../../bench/report/html.ts'

const workloads = readWorkloads()
const endToEnd = pointsOf(workloads.find(({ name }) => name === 'end-to-end-1')!)
const producing = pointsOf(workloads.find(({ name }) => name === 'produce-1-100B')!)

function sampleOf(recordsPerSecond: number, p50: number): Sample {
  const latency = {
    mean: p50,
    p50,
    p99: 3 * p50,
    'p99.9': 9 * p50,
    max: 10 * p50,
    quantiles: { 100: 10 * p50, 0: 0.1, 50: p50 },
  }
  const second = {
    seconds: 1,
    recordsPerSecond,
    megabytesPerSecond: 1,
    meanMs: p50,
    p50Ms: p50,
    p99Ms: 3 * p50,
    maxMs: 9,
  }
  return {
    records: 2 * recordsPerSecond,
    bytes: 200 * recordsPerSecond,
    seconds: 2,
    publishLatency: latency,
    publishDelayLatency: null,
    endToEndLatency: latency,
    series: [second, second],
    clientCpuSeconds: 1,
    nodesCpuSeconds: 3,
    clientPeakBytes: 1e8,
  }
}

function resultOf(point: Point, systems: Readonly<Record<string, readonly (Sample | null)[]>>): PointResult {
  const context = {
    point,
    beginTime: '2026-01-01T00:00:00.000Z',
    endTime: '2026-01-01T00:00:02.000Z',
    nodesPeakBytes: [2e8],
    start: point.workload.isCold ? { firstRecordSeconds: 0.5, idleBytes: 7e7, isPageCacheDropped: true } : null,
  }
  const runs = Object.entries(systems).map(([driver, samples]) => [
    driver,
    samples.map(sample => (sample === null ? null : toRunResult(sample, { ...context, driver }))),
  ])
  const limit = { name: 'bare pipe', recordsPerSecond: 2_000, latency50pct: 0.5 }
  return { point, runs: Object.fromEntries(runs), limits: [limit, limit, limit], failures: [] }
}

const consensus: ComparisonResult = {
  name: 'with ÷ without',
  target: '≥ 10',
  of: [{ commitsPerSecond: 120, p50Ms: 1 }],
  beside: [{ commitsPerSecond: 10, p50Ms: 12 }],
  ceiling: [],
  ratios: [12],
  ceilingRatios: [],
}

function resultsOf(points: readonly PointResult[]): Results {
  const described = { nodes: 1, version: '1', configuration: { 'a<b': 'x & y' }, firstRecordSeconds: 1, idleBytes: 1e8 }
  return {
    format: resultsFormat,
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: '2026-01-01T00:10:00.000Z',
    machine: { cpu: 'c', cores: 2, memoryBytes: 1e9, kernel: 'k', fileSystem: 'f', node: 'v20', loadAverage: 0.1 },
    commit: { commit: 'abc', isDirty: false },
    repetitions: 3,
    warmupSeconds: 1,
    seconds: 2,
    machineLimits: { 'CRC-32C': 3_000 },
    systems: [
      { system: 'millrace', skipped: null, clusters: [described] },
      { system: 'kafka', skipped: null, clusters: [described] },
      { system: 'nats', skipped: 'there is no nats-server', clusters: [] },
    ],
    points,
    raft: [consensus],
  }
}

function planOf({ repetitions, limitSeconds, settleSeconds, ...settings }: Settings): Plan {
  const { warmupSeconds, seconds, scale, groupWarmupSeconds, ourWarmupSeconds } = settings
  return {
    workloads: workloads.map(withoutLarge),
    systems: [millrace],
    consensus: { comparisons: pipelining, warmupSeconds: groupWarmupSeconds },
    repetitions,
    timing: { warmupSeconds, seconds, scale },
    limitSeconds,
    systemWarmupSeconds: () => ourWarmupSeconds,
    settleSeconds,
  }
}

test('every workload file is one, and a mistake in one is named', () => {
  assert.ok(workloads.length > 5)
  assert.equal(new Set(workloads.flatMap(pointsOf).map(nameOf)).size, workloads.flatMap(pointsOf).length)
  const text = readFileSync('bench/workloads/produce-1-100B.json', 'utf8')
  assert.equal(parseWorkload('x', text).name, 'x')
  assert.throws(() => parseWorkload('x', text.replace('"produce"', '"reduce"')), /workload x: kind cannot be "reduce"/)
  assert.throws(() => parseWorkload('x', text.replace('"inFlight"', '"inFlght"')), /inFlight cannot be undefined/)
  assert.throws(() => parseWorkload('x', text.replace('{', '{ "more": 1,')), /unknown more/)
  const twofold = text
    .replace('"partitionsPerTopic": [1]', '"partitionsPerTopic": [1, 2]')
    .replace('"producers": [1]', '"producers": [1, 2]')
  assert.throws(() => parseWorkload('x', twofold), /workload x: only one thing can be varied/)
})

test('how much is sent and read: for a time, a backlog once, or more than the backlog', () => {
  const names = ['1 MB', '100 MB', '1 GB', '20 GB']
  const backlogs = pointsOf(workloads.find(({ name }) => name === 'scale-backlog-1')!)
  assert.deepEqual(
    backlogs.map(nameOf),
    names.map(name => `scale-backlog-1 os, ${name}`),
  )
  assert.deepEqual(backlogs.map(topicOf), [
    'scale-backlog-1-os-1-MB',
    'scale-backlog-1-os-100-MB',
    'scale-backlog-1-os-1-GB',
    'scale-backlog-1-os-20-GB',
  ])
  assert.deepEqual(
    backlogs.map(point => backlogRecordsOf(point, 1)),
    [977, 97_657, 976_563, 19_531_250],
  )
  assert.deepEqual(
    backlogs.map(point => measuredRecordsOf(point, 1)),
    [976_563, 976_563, 976_563, 19_531_250],
  )
  assert.equal(measuredRecordsOf(backlogs[2]!, 0.5), 488_282)
  assert.equal(measuredRecordsOf(producing[0]!, 1), null)
})

test('a whole run is planned for less than a quarter of an hour, and the plan counts what makes it longer', () => {
  const plan = planOf(wholeRun)
  const { timing } = plan
  const seconds = plannedSeconds(plan)
  assert.ok(seconds > 60 && seconds < 14 * 60, String(seconds))
  assert.match(describePlan(plan), /^\d+ points, 5 rounds, about \d+ min$/)
  for (const longer of [
    { ...plan, repetitions: 6 },
    { ...plan, timing: { ...timing, seconds: 2 } },
    { ...plan, workloads },
    { ...plan, systems: [...plan.systems, { ...plan.systems[0]!, name: 'another' }] },
    { ...plan, limitSeconds: 2 },
    { ...plan, consensus: { ...plan.consensus, warmupSeconds: 9 } },
  ])
    assert.ok(plannedSeconds(longer) > seconds)
})

test('the cost of a record is compared with that at the first place of a scale, repetition by repetition', () => {
  const points = pointsOf(workloads.find(({ name }) => name === 'scale-producers-1')!)
  const costing = (factor: number): Sample => ({
    ...sampleOf(1_000, 1),
    clientCpuSeconds: factor,
    nodesCpuSeconds: factor,
  })
  const results = points.map((point, at) =>
    resultOf(point, {
      millrace: [costing([1, 1.1, 1.5][at]!), costing([2, 2.3, 3][at]!)],
      kafka: at === 0 ? [costing(1)] : [null],
    }),
  )
  const [scaling, ...others] = scalingsOf(results)
  assert.deepEqual(others, [])
  assert.deepEqual(
    scaling!.steps.map(({ name, ratio, isFlat }) => [name, ratio.median.toFixed(3), isFlat]),
    [
      ['1 connection', '1.000', true],
      ['10 connections', '1.125', true],
      ['100 connections', '1.500', false],
    ],
  )
  // 2 and 4 CPU seconds for 2,000 records.
  assert.equal(scaling!.steps[0]!.cpuSecondsPerMillion.median, 1_500)
  const markdown = markdownOf(resultsOf(results))
  assert.match(markdown, /\| scale-producers-1 \| 100 connections \| millrace \| .* \| 1.50 \(1.50–1.50\) \| no \|/)
  const html = renderReport(resultsOf(results))
  assert.ok(html.includes('Cost per record against scale'))
  assert.doesNotMatch(html, /NaN|undefined|Infinity/)
})

test('what a start costs is told beside that of the peers, and whether what was read came from the disk', () => {
  const cold = workloads.filter(({ isCold }) => isCold).flatMap(pointsOf)
  assert.equal(cold.length, 2)
  const results = resultsOf(
    cold.map(point => resultOf(point, { millrace: [sampleOf(10, 1)], kafka: [sampleOf(5, 1)] })),
  )
  const markdown = markdownOf(results)
  assert.match(markdown, /\| cold-consume-1 os \| kafka \| 0.50 \| 1.00 \| 70.0 \| 1.00 \| 5.00 \| yes \|/)
  const html = renderReport(results)
  assert.ok(html.includes('Started anew') && html.includes('Start to the first acknowledged record'))
  assert.doesNotMatch(html, /NaN|undefined|Infinity/)
})

test('the first system stands beside each of the others, repetition by repetition', () => {
  const [point] = endToEnd
  const runs = { millrace: [sampleOf(10, 1), sampleOf(20, 2)], kafka: [sampleOf(10, 2), sampleOf(10, 8)] }
  const markdown = markdownOf(resultsOf([resultOf(point!, runs)]))
  const ratio = '0.38 (0.25–0.50)'
  const name = nameOf(point!)
  assert.ok(markdown.includes(`| ${name} | kafka | 1.50 (1.00–2.00) | ${ratio} | ${ratio} | ${ratio} | `), markdown)
})

test('medians, spreads and ratios of pairs', () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3, count: 3 })
  assert.equal(spreadOf([4, 1, 2, 3])!.median, 2.5)
  assert.equal(spreadOf([]), null)
  assert.deepEqual(ratioSpread([2, null, 9, 8], [1, 1, 3, null]), { median: 2.5, min: 2, max: 3, count: 2 })
  assert.equal(
    middleOf(['aaa', 'a', 'aa'], text => text.length),
    'aa',
  )
  assert.deepEqual(
    [...groupBy([1, 2, 3], n => String(n % 2))],
    [
      ['1', [1, 3]],
      ['0', [2]],
    ],
  )
})

test('results carry the names of the OpenMessaging Benchmark', () => {
  const run = resultOf(endToEnd[0]!, { millrace: [sampleOf(1_000, 2)] }).runs.millrace![0]!
  assert.equal(run.aggregatedEndToEndLatency99pct, 6)
  assert.equal(run.aggregatedPublishLatencyAvg, 2)
  assert.equal(run.aggregatedEndToEndLatency999pct, 18)
  assert.deepEqual(run.endToEndLatency50pct, [2, 2])
  assert.deepEqual(
    [run.publishRate, run.consumeRate],
    [
      [1_000, 1_000],
      [1_000, 1_000],
    ],
  )
  assert.equal('aggregatedPublishDelayLatency50pct' in run, false)
  assert.equal(run.recordsPerSecond, 1_000)
  assert.deepEqual(run.cpuSecondsPerGB, { client: 5_000, nodes: 15_000 })
  assert.equal(percentileOf(run, endToEnd[0]!, '50pct'), 2)
  assert.deepEqual(quantilesOf(run, endToEnd[0]!), [
    [0, 0.1],
    [50, 2],
    [100, 20],
  ])
})

test('a point is judged by its rate, or by its latency where the rate is given, and both by the limit', () => {
  const byRate = resultOf(producing[0]!, { millrace: [sampleOf(1_000, 2), sampleOf(1_500, 2), null] })
  assert.equal(mainMeasure(byRate), 'rate')
  assert.deepEqual(limitRatio(byRate, 'millrace'), {
    measure: 'rate',
    spread: { median: 0.625, min: 0.5, max: 0.75, count: 2 },
  })
  const byLatency = resultOf(endToEnd[0]!, { millrace: [sampleOf(1_000, 2), sampleOf(1_000, 4), sampleOf(1_000, 3)] })
  assert.equal(limitRatio(byLatency, 'millrace')!.spread.median, 6)
  assert.equal(middleRun(byLatency, 'millrace')!.aggregatedEndToEndLatency50pct, 3)
})

test('what is consumed while it is produced has the way in and the way out as its limit, and is judged by its rate', () => {
  const [tail] = pointsOf(workloads.find(({ name }) => name === 'tail-1-100B')!)
  assert.deepEqual(
    probesOf(tail!).map(({ kind }) => kind),
    ['pipe', 'push'],
  )
  assert.equal(mainMeasure(resultOf(tail!, {})), 'rate')
})

test('at a rate the limit is how soon one send is done', () => {
  const atRate = pointsOf(workloads.find(({ name }) => name === 'produce-3-rate-100B')!)
  for (const point of [...endToEnd, ...atRate]) {
    const [pipe, ...others] = probesOf(point)
    assert.ok(pipe?.kind === 'pipe' && pipe.inFlight === 1)
    assert.deepEqual(others, [])
    assert.equal(mainMeasure(resultOf(point, {})), 'p50')
  }
})

test('a comparison says what differs every time, and nothing else', () => {
  const result = (rate: number, p50: number): Sample[] => [
    sampleOf(rate, p50),
    sampleOf(rate + 10, p50),
    sampleOf(rate, p50),
  ]
  const results = resultsOf([
    resultOf(producing[0]!, { before: result(1_000, 2), millrace: result(1_500, 2) }),
    resultOf(endToEnd[0]!, { before: result(1_000, 2), millrace: [sampleOf(1, 1), sampleOf(1, 3), sampleOf(1, 1)] }),
  ])
  const comparisons = compareResults({ results, system: 'before' }, { results, system: 'millrace' })
  const table = renderComparison(comparisons)
  assert.match(table, /produce-1-100B os \| records\/s .* 1\.50 \(1\.50–1\.50\) \| better/)
  assert.match(table, /end-to-end-1 os 1000\/s \| p50 ms .* 0\.50 \(0\.50–1\.50\) \| –/)
  assert.ok(comparisons.every(({ ratio }) => ratio.count === 3))
})

test('the report is one document that draws what there is and tells what there is not', () => {
  const both = { millrace: [sampleOf(1_000, 2), sampleOf(1_100, 3)], kafka: [sampleOf(500, 6), null] }
  const results = resultsOf([...producing, ...endToEnd].map(point => resultOf(point, both)))
  const html = renderReport(results)
  for (const title of [
    'limits of the machine',
    'Beside its peers',
    'Latency by percentile',
    'Latency against load',
    'Throughput over time',
    'Cost',
    'Consensus alone',
  ])
    assert.ok(html.includes(title), title)
  assert.ok(html.includes('nats was skipped: there is no nats-server'))
  assert.ok(html.includes('a&lt;b') && html.includes('x &amp; y'))
  assert.doesNotMatch(html, /NaN|undefined|Infinity|<script|https?:/)
  assert.equal(html.match(/<svg/g)!.length, html.match(/<\/svg>/g)!.length)
  // A run in which everything failed still says so.
  const failed: PointResult = { ...resultOf(producing[0]!, { millrace: [null] }), failures: ['it broke'] }
  const empty = renderReport(resultsOf([failed]))
  assert.ok(empty.includes('it broke'))
  assert.doesNotMatch(empty, /NaN|undefined/)
  assert.match(markdownOf(results), /\| with ÷ without \| 120 \| 10.0 \| 12.0 \| ≥ 10 \|/)
  assert.match(markdownOf(results), /\| produce-1-100B os \| kafka \| 500 \|/)
})

test('processes are looked at as Linux tells them', { skip: process.platform !== 'linux' }, () => {
  assert.ok(cpuSecondsOf(process.pid)! > 0)
  assert.ok(peakBytesOf(process.pid)! > 1 << 20)
  assert.equal(cpuSecondsOf(2 ** 22 + 1), null)
})
