/** Millrace as a system under measurement: nodes as processes, and `millrace bench` as the client, a process of its own too. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { namesOf } from '../../src/cli/bench/cluster.ts'
import type { BenchResult } from '../../src/cli/bench/report.ts'
import { Admin, Producer } from '../../src/index.ts'
import { CommandError } from './millrace-client.ts'
import { type BenchCluster, startBenchCluster } from './millrace-nodes.ts'
import { forgetPeak, peakBytesOf } from './processes.ts'
import type { Cluster, Sample, StartOptions, System, Timing } from './system.ts'
import { untilWorks } from './until-works.ts'
import { backlogRecordsOf, measuredRecordsOf, type Point, topicOf, type Workload } from './workload.ts'

const startTimeoutMs = 60_000
/** More than any run gets to: time ends it. */
const recordsMax = 2_000_000_000
/** Of what is read, before measuring begins. */
const warmupPart = 0.2
/** Sends to every partition before measuring begins: the first one makes its files. */
const warmupRounds = 2

/** That of a checkout: this one, or another, built, to be compared with. */
export function millraceOf(name: string, checkout: string): System {
  const bin = path.join(checkout, 'bin', 'millrace.cjs')
  return {
    name,
    missing: async () => (existsSync(bin) ? null : `there is no ${bin}`),
    start: options => startMillrace(checkout, options),
  }
}

const thisCheckout = path.join(import.meta.dirname, '..', '..')

export const millrace = millraceOf('millrace', thisCheckout)

async function startMillrace(checkout: string, { nodes, directory }: StartOptions): Promise<Cluster> {
  let starts = 0
  const contact = (urls: readonly string[]): Promise<void> => sendFirst(urls, `first-${starts++}`, nodes)
  const cluster = await startBenchCluster({ directory, nodes, mode: 'sync', checkout, contact })
  const admin = new Admin({ bootstrap: [...cluster.urls] })
  return {
    version: packageVersion(checkout),
    configuration: {
      nodes: 'defaults, log.level=warn',
      topics: 'flush.policy as the workload says, the rest defaults',
      client: 'millrace bench, in one process that stays; batches of 64 KiB or one send if that is larger, no linger',
    },
    get pids() {
      return cluster.pids
    },
    get firstRecordSeconds() {
      return cluster.startSeconds
    },
    async fill(point, timing) {
      await createTopics(admin, point)
      const records = backlogRecordsOf(point, timing.scale)
      await runBench(cluster, 'produce', { ...placeOf(point), ...produceOptions(point), records })
      return true
    },
    async measure(point, timing) {
      const isBacklog = point.workload.kind === 'consume'
      const topics = isBacklog ? [] : await createTopics(admin, point)
      try {
        return await measured(cluster, point, () => (isBacklog ? consume : load)(cluster, point, timing))
      } catch (error) {
        // An older checkout does not have every option: that is nothing it does, and its command says which one on standard error.
        if (checkout !== thisCheckout && error instanceof CommandError && error.isUsage) return null
        throw error
      } finally {
        if (topics.length > 0) await admin.deleteTopics({ topics })
      }
    },
    restart: () => cluster.restart(),
    async [Symbol.asyncDispose]() {
      await admin.close()
      await cluster[Symbol.asyncDispose]()
    },
  }
}

/** Resolves when a record of a new topic is acknowledged, by nodes that are only starting. */
export async function sendFirst(urls: readonly string[], topic: string, replicationFactor: number): Promise<void> {
  // As Kafka's client beside it: its maker's waits are not what is measured.
  const options = { bootstrap: [...urls], retryBackoffMs: 10, retryBackoffMsMax: 20 }
  const [admin, producer] = [new Admin(options), new Producer(options)]
  try {
    const topics = [{ name: topic, numPartitions: 1, replicationFactor, configs: {} }]
    await untilWorks(() => admin.createTopics({ topics }), startTimeoutMs)
    await producer.send({ topic, messages: [{ value: 'first' }] })
  } finally {
    await Promise.all([admin.close(), producer.close()])
  }
}

async function measured(
  { client }: BenchCluster,
  { workload }: Point,
  run: () => Promise<BenchResult>,
): Promise<Sample> {
  forgetPeak(client.pid)
  const sample = toSample(await run(), workload)
  return { ...sample, clientPeakBytes: peakBytesOf(client.pid) }
}

/** Those of the point, empty; returns their names. */
async function createTopics(admin: Admin, point: Point): Promise<string[]> {
  const topics = namesOf(topicOf(point), point.workload.topics)
  await admin.createTopics({
    topics: topics.map(name => ({
      name,
      numPartitions: point.partitionsPerTopic,
      replicationFactor: point.workload.replicationFactor,
      configs: { 'flush.policy': point.durability },
    })),
  })
  return topics
}

function load(cluster: BenchCluster, point: Point, timing: Timing): Promise<BenchResult> {
  const { workload, producerRate } = point
  const records = measuredRecordsOf(point, timing.scale)
  const amount = records === null ? { records: recordsMax, duration: `${timing.seconds}s` } : { records }
  const options = {
    ...placeOf(point),
    ...amount,
    warmup: warmupOf(point, timing),
    ...(producerRate === 0 ? {} : { rate: producerRate }),
  }
  return workload.kind === 'produce'
    ? runBench(cluster, 'produce', { ...options, ...produceOptions(point) })
    : runBench(cluster, 'e2e', { ...options, ...tailOptions(point), consumers: workload.consumers })
}

/** A time is enough for the partitions that the sends under way reach at once. */
function warmupOf({ workload, partitionsPerTopic }: Point, { warmupSeconds }: Timing): string | number {
  const sends = workload.topics * partitionsPerTopic
  return sends <= workload.inFlight ? `${warmupSeconds}s` : warmupRounds * sends * workload.recordsPerSend
}

function consume(cluster: BenchCluster, point: Point, timing: Timing): Promise<BenchResult> {
  const records = measuredRecordsOf(point, timing.scale)!
  const warmup = point.workload.isCold ? 0 : Math.floor(records * warmupPart)
  const options = { ...placeOf(point), consumers: point.workload.consumers, records: records - warmup, warmup }
  return runBench(cluster, 'consume', options, records > backlogRecordsOf(point, timing.scale) ? ['--again'] : [])
}

function runBench(
  cluster: BenchCluster,
  command: string,
  options: Readonly<Record<string, string | number>>,
  flags: readonly string[] = [],
): Promise<BenchResult> {
  const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  return cluster.millrace('bench', command, '-q', ...given, ...flags)
}

function placeOf(point: Point): Record<string, string | number> {
  return { topic: topicOf(point), topics: point.workload.topics }
}

function recordOptions({ workload, partitionsPerTopic, producers }: Point): Record<string, string | number> {
  return {
    partitions: partitionsPerTopic,
    size: workload.messageSize,
    'random-bytes': workload.randomBytesRatio,
    keys: workload.keyDistributor,
    producers,
    acks: workload.acks,
  }
}

function produceOptions(point: Point): Record<string, string | number> {
  const { recordsPerSend, inFlight } = point.workload
  return { ...recordOptions(point), 'batch-records': recordsPerSend, 'in-flight': inFlight }
}

/** At a rate all that is due is sent, whatever is unanswered. */
function tailOptions(point: Point): Record<string, string | number> {
  const { recordsPerSend, inFlight } = point.workload
  const depth = point.producerRate === 0 ? { 'in-flight': inFlight } : {}
  return { ...recordOptions(point), 'batch-records': recordsPerSend, ...depth }
}

function toSample(result: BenchResult, { kind }: Workload): Sample {
  const { records, bytes, seconds, latencyMs, sendDelayMs, series, cpuSeconds } = result
  return {
    records,
    bytes,
    seconds,
    publishLatency: kind === 'produce' ? latencyMs : null,
    publishDelayLatency: sendDelayMs,
    endToEndLatency: kind === 'end-to-end' ? latencyMs : null,
    series,
    clientCpuSeconds: cpuSeconds.client,
    nodesCpuSeconds: cpuSeconds.nodes,
    clientPeakBytes: null,
  }
}

function packageVersion(checkout: string): string {
  const file = path.join(checkout, 'package.json')
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
