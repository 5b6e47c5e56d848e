/** Millrace as a system under measurement: nodes as processes, and `millrace bench` as the client, a process of its own too. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { namesOf } from '../../src/cli/bench/cluster.ts'
import type { BenchResult } from '../../src/cli/bench/report.ts'
import { Admin } from '../../src/index.ts'
import { type BenchCluster, startBenchCluster } from './millrace-nodes.ts'
import { forgetPeak, peakBytesOf, writeBack } from './processes.ts'
import type { Cluster, Sample, StartOptions, System, Timing } from './system.ts'
import type { Point, Workload } from './workload.ts'

const topic = 'bench'
/** More than any run gets to: time ends it. */
const recordsMax = 2_000_000_000
/** Of a backlog, read before measuring begins. */
const backlogWarmup = 0.2

/** That of a checkout: this one, or another, built, to be compared with. */
export function millraceOf(name: string, checkout: string): System {
  const bin = path.join(checkout, 'bin', 'millrace.cjs')
  return {
    name,
    missing: async () => (existsSync(bin) ? null : `there is no ${bin}`),
    start: options => startMillrace(checkout, options),
  }
}

export const millrace = millraceOf('millrace', path.join(import.meta.dirname, '..', '..'))

async function startMillrace(checkout: string, { nodes, directory }: StartOptions): Promise<Cluster> {
  const cluster = await startBenchCluster({ directory, nodes, mode: 'sync', checkout })
  const admin = new Admin({ bootstrap: [...cluster.urls] })
  return {
    version: packageVersion(checkout),
    configuration: {
      nodes: 'defaults, log.level=warn',
      topics: 'flush.policy as the workload says, the rest defaults',
      client: 'millrace bench, in one process that stays; batches of 64 KiB or one send if that is larger, no linger',
    },
    pids: cluster.pids,
    startSeconds: cluster.startSeconds,
    async measure(point, timing) {
      const { workload, durability } = point
      const topics = namesOf(topic, workload.topics)
      await admin.createTopics({
        topics: topics.map(name => ({
          name,
          numPartitions: workload.partitionsPerTopic,
          replicationFactor: workload.replicationFactor,
          configs: { 'flush.policy': durability },
        })),
      })
      try {
        forgetPeak(cluster.client.pid)
        const sample = toSample(await runBench(cluster, point, timing), workload)
        return { ...sample, clientPeakBytes: peakBytesOf(cluster.client.pid) }
      } finally {
        await admin.deleteTopics({ topics })
      }
    },
    async [Symbol.asyncDispose]() {
      await admin.close()
      await cluster[Symbol.asyncDispose]()
    },
  }
}

async function runBench(cluster: BenchCluster, point: Point, timing: Timing): Promise<BenchResult> {
  const { workload, producerRate } = point
  const run = (command: string, options: Readonly<Record<string, string | number>>): Promise<BenchResult> =>
    cluster.millrace('bench', command, '-q', ...argumentsOf({ topic, topics: workload.topics, ...options }))
  const timed = { records: recordsMax, duration: `${timing.seconds}s`, warmup: `${timing.warmupSeconds}s` }
  const rate = producerRate === 0 ? {} : { rate: producerRate }
  switch (workload.kind) {
    case 'produce':
      return run('produce', { ...produceOptions(workload), ...timed, ...rate })
    case 'end-to-end':
      return run('e2e', { ...recordOptions(workload), consumers: workload.consumers, ...timed, ...rate })
    case 'consume': {
      const backlog = Math.ceil((timing.scale * workload.consumerBacklogSizeGB * 1e9) / workload.messageSize)
      await run('produce', { ...produceOptions(workload), records: backlog })
      await writeBack()
      const warmup = Math.floor(backlog * backlogWarmup)
      return run('consume', { consumers: workload.consumers, records: recordsMax, warmup })
    }
  }
}

function recordOptions(workload: Workload): Record<string, string | number> {
  return {
    partitions: workload.partitionsPerTopic,
    size: workload.messageSize,
    'random-bytes': workload.randomBytesRatio,
    keys: workload.keyDistributor,
    producers: workload.producers,
    acks: workload.acks,
  }
}

function produceOptions(workload: Workload): Record<string, string | number> {
  return { ...recordOptions(workload), 'batch-records': workload.recordsPerSend, 'in-flight': workload.inFlight }
}

function argumentsOf(options: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
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
