/**
 * NATS JetStream as a peer, streams on files, with `nats bench` as the client: `pub fast` for batches, `pub async` and `pub
 * sync` for single records, `ordered` to consume. It has no end-to-end latency at a rate.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Cluster, Sample, StartOptions, System, Timing } from '../harness/system.ts'
import {
  backlogRecordsOf,
  type Durability,
  measuredRecordsOf,
  nameOf,
  type Point,
  topicOf,
  type Workload,
} from '../harness/workload.ts'
import { type BenchOutput, parseBench, parseTimes } from './nats/outputs.ts'
import { NatsServers, syncSettings } from './nats/server.ts'
import { RecordCounts } from './repeat.ts'
import { started, steadySeries, sumOfCpuSeconds, versionOf } from './tools.ts'

/** `sync_interval: always` came with it. */
const versionMin = [2, 10]
/** More than any run writes. A server takes no stream that may outgrow its disk together with all others. */
const streamBytesMax = 16e9
/** What a record takes of a file beside its value, at most. */
const recordOverheadBytesMax = 200
/** Of `pub fast`: it waits for an acknowledgement when so many records have none. Its default. */
const fastBatchRecords = 500

export const nats: System = {
  name: 'nats',
  async missing() {
    const server = /v(\d+)\.(\d+)/.exec((await versionOf('nats-server', ['--version'])) ?? '')
    const [major, minor] = [Number(server?.[1] ?? 0), Number(server?.[2] ?? 0)]
    if (major < versionMin[0]! || (major === versionMin[0] && minor < versionMin[1]!))
      return 'it needs nats-server 2.10 or later (go install github.com/nats-io/nats-server/v2@latest)'
    if ((await versionOf('nats', ['--version'])) === null)
      return 'it needs the nats command (go install github.com/nats-io/natscli/nats@latest)'
    return null
  },
  async start(options) {
    const version = await versionOf('nats-server', ['--version'])
    const cluster = new NatsCluster(
      options,
      version?.replace(/^.*v/, '') ?? 'unknown',
      await Promise.all([...options.durabilities].map(async d => [d, await NatsServers.prepare(options, d)] as const)),
    )
    return started(cluster)
  },
}

interface Stream {
  readonly name: string
  readonly bytesMax: number
}

type PublishLoad = Pick<Workload, 'messageSize' | 'replicationFactor' | 'inFlight' | 'recordsPerSend'>

interface Measured extends BenchOutput {
  readonly records: number
  readonly seconds: number
  readonly clientCpuSeconds: number
  readonly nodesCpuSeconds: number | null
}

class NatsCluster implements Cluster {
  readonly version: string
  readonly configuration: Readonly<Record<string, string>>
  readonly #replicas: number
  readonly #servers: ReadonlyMap<Durability, NatsServers>
  readonly #counts = new RecordCounts()
  #streams = 0
  #firstRecordSeconds = 0

  constructor({ nodes }: StartOptions, version: string, servers: readonly (readonly [Durability, NatsServers])[]) {
    this.version = version
    this.configuration = {
      servers: `${nodes} for each durability, JetStream on files`,
      os: 'defaults: a sync every two minutes',
      sync: syncSettings.sync,
      client: 'nats bench js: pub fast for batches, pub async and pub sync for single records, ordered to consume',
    }
    this.#replicas = nodes
    this.#servers = new Map(servers)
  }

  get pids(): readonly number[] {
    return [...this.#servers.values()].flatMap(servers => servers.pids)
  }

  get firstRecordSeconds(): number {
    return this.#firstRecordSeconds
  }

  /** The first record is of the first durability; the start of the `nats` command, which is no client that stays, is in it. */
  async start(): Promise<void> {
    for (const [at, servers] of [...this.#servers.values()].entries()) {
      const startedAt = performance.now()
      await servers.start()
      if (at > 0) continue
      const stream = { name: `first-${this.#streams++}`, bytesMax: 1e6 }
      const first = { messageSize: 100, replicationFactor: this.#replicas, inFlight: 1, recordsPerSend: 1 }
      await this.#publishCount(servers, stream, first, 1)
      this.#firstRecordSeconds = (performance.now() - startedAt) / 1_000
    }
  }

  async restart(): Promise<void> {
    await this[Symbol.asyncDispose]()
    await this.start()
  }

  async fill(point: Point, timing: Timing): Promise<boolean> {
    if (!isFor(point, timing)) return false
    const servers = this.#servers.get(point.durability)!
    const records = backlogRecordsOf(point, timing.scale)
    const bytesMax = records * (point.workload.messageSize + recordOverheadBytesMax)
    await this.#publishCount(servers, { name: topicOf(point), bytesMax }, point.workload, records)
    return true
  }

  async measure(point: Point, timing: Timing): Promise<Sample | null> {
    if (!isFor(point, timing)) return null
    const servers = this.#servers.get(point.durability)!
    if (point.workload.kind === 'consume') return this.#consume(servers, point, timing)
    const stream = { name: `bench-${this.#streams++}`, bytesMax: streamBytesMax }
    const sample = await this.#publish(servers, stream, point, timing)
    await promisify(execFile)('nats', ['-s', servers.urls, 'stream', 'rm', stream.name, '-f'])
    return sample
  }

  async #publish(servers: NatsServers, stream: Stream, point: Point, timing: Timing): Promise<Sample> {
    const publish = (count: number): Promise<Measured> => this.#publishCount(servers, stream, point.workload, count)
    let count = measuredRecordsOf(point, timing.scale)
    if (count === null) {
      const key = nameOf(point)
      await this.#counts.warmUp(key, timing.warmupSeconds, publish)
      count = this.#counts.countFor(key, timing.seconds)
    }
    const measured = await publish(count)
    return { ...toSample(measured, point.workload), publishLatency: measured.latency }
  }

  #publishCount(servers: NatsServers, stream: Stream, load: PublishLoad, count: number): Promise<Measured> {
    const { messageSize, replicationFactor, inFlight, recordsPerSend } = load
    const how = recordsPerSend > 1 ? 'fast' : inFlight === 1 ? 'sync' : 'async'
    const batch = how === 'sync' ? [] : ['--batch', how === 'async' ? inFlight : fastBatchRecords]
    const store = ['--create', '--storage', 'file', '--replicas', replicationFactor, '--maxbytes', stream.bytesMax]
    const amount = ['--stream', stream.name, '--msgs', count, '--size', messageSize]
    return this.#bench(servers, count, ['pub', how, ...batch, ...store, ...amount, `subject.${stream.name}`])
  }

  async #consume(servers: NatsServers, point: Point, timing: Timing): Promise<Sample> {
    const messages = backlogRecordsOf(point, timing.scale)
    const args = ['ordered', '--stream', topicOf(point), '--msgs', messages]
    return toSample(await this.#bench(servers, messages, args), point.workload)
  }

  async #bench(servers: NatsServers, records: number, args: readonly (string | number)[]): Promise<Measured> {
    const command = ['nats', '-s', servers.urls, 'bench', 'js', ...args.map(String), '--no-progress']
    const before = sumOfCpuSeconds(servers.pids)
    const { stdout, stderr } = await promisify(execFile)('sh', ['-c', '"$@" && times', 'sh', ...command])
    const after = sumOfCpuSeconds(servers.pids)
    const output = parseBench(stdout + stderr)
    return {
      ...output,
      records,
      seconds: records / output.recordsPerSecond,
      clientCpuSeconds: parseTimes(stdout),
      nodesCpuSeconds: before === null || after === null ? null : after - before,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers.values()].map(servers => servers[Symbol.asyncDispose]()))
  }
}

function toSample(measured: Measured, { messageSize }: Workload): Sample {
  const { records, seconds, recordsPerSecond, clientCpuSeconds, nodesCpuSeconds } = measured
  return {
    records,
    bytes: records * messageSize,
    seconds,
    publishLatency: null,
    publishDelayLatency: null,
    endToEndLatency: null,
    series: steadySeries(seconds, recordsPerSecond, messageSize),
    clientCpuSeconds,
    nodesCpuSeconds,
    clientPeakBytes: null,
  }
}

/** A stream is a partition; what it is split by are subjects, which is something else. A backlog is read once. */
function isFor(point: Point, { scale }: Timing): boolean {
  const { kind, nodes, topics, consumers, keyDistributor } = point.workload
  if (kind === 'end-to-end' || point.producerRate > 0 || topics > 1 || keyDistributor !== 'none') return false
  if (point.partitionsPerTopic > nodes || point.producers > 1 || consumers > 1) return false
  return kind !== 'consume' || measuredRecordsOf(point, scale)! === backlogRecordsOf(point, scale)
}
