/**
 * NATS JetStream as a peer, streams on files, with `nats bench` as the client: `pub fast` for batches, `pub async` and `pub
 * sync` for single records, `ordered` to consume. It has no end-to-end latency at a rate.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Cluster, Sample, StartOptions, System, Timing } from '../harness/system.ts'
import { backlogRecordsOf, measuredRecordsOf, nameOf, type Point, topicOf, type Workload } from '../harness/workload.ts'
import { type BenchOutput, parseBench, parseTimes } from './nats/outputs.ts'
import { type NatsServers, startNats, syncSettings } from './nats/server.ts'
import { RecordCounts } from './repeat.ts'
import { steadySeries, sumOfCpuSeconds, versionOf } from './tools.ts'

/** `sync_interval: always` came with it. */
const versionMin = [2, 10]
/** More than any run writes. A server takes no stream that may outgrow its disk together with all others. */
const streamBytesMax = 16e9
/** What a record takes of a file beside its value, at most. */
const recordOverheadBytesMax = 200

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
    const os = await startNats(options, 'os')
    const sync = await startNats(options, 'sync').catch(async (error: unknown) => {
      await os[Symbol.asyncDispose]()
      throw error
    })
    return new NatsCluster(options, version?.replace(/^.*v/, '') ?? 'unknown', { os, sync })
  },
}

interface Stream {
  readonly name: string
  readonly bytesMax: number
}

interface Measured extends BenchOutput {
  readonly records: number
  readonly seconds: number
  readonly clientCpuSeconds: number
  readonly nodesCpuSeconds: number | null
}

class NatsCluster implements Cluster {
  readonly version: string
  readonly configuration: Readonly<Record<string, string>>
  readonly pids: readonly number[]
  readonly startSeconds: number
  readonly #servers: Readonly<Record<'os' | 'sync', NatsServers>>
  readonly #counts = new RecordCounts()
  #streams = 0

  constructor({ nodes }: StartOptions, version: string, servers: Readonly<Record<'os' | 'sync', NatsServers>>) {
    this.version = version
    this.configuration = {
      servers: `${nodes} for each durability, JetStream on files`,
      os: 'defaults: a sync every two minutes',
      sync: syncSettings.sync,
      client: 'nats bench js: pub fast for batches, pub async and pub sync for single records, ordered to consume',
    }
    this.startSeconds = servers.os.startSeconds
    this.pids = [...servers.os.pids, ...servers.sync.pids]
    this.#servers = servers
  }

  async fill(point: Point, timing: Timing): Promise<boolean> {
    if (!isFor(point, timing)) return false
    const servers = this.#servers[point.durability]
    const records = backlogRecordsOf(point, timing.scale)
    const bytesMax = records * (point.workload.messageSize + recordOverheadBytesMax)
    await this.#publishCount(servers, { name: topicOf(point), bytesMax }, point.workload, records)
    return true
  }

  async measure(point: Point, timing: Timing): Promise<Sample | null> {
    if (!isFor(point, timing)) return null
    const servers = this.#servers[point.durability]
    if (point.workload.kind === 'consume') return this.#consume(servers, point, timing)
    const stream = { name: `bench-${this.#streams++}`, bytesMax: streamBytesMax }
    const sample = await this.#publish(servers, stream, point, timing)
    await promisify(execFile)('nats', ['-s', servers.urls, 'stream', 'rm', stream.name, '-f'])
    return sample
  }

  async #publish(servers: NatsServers, stream: Stream, point: Point, timing: Timing): Promise<Sample> {
    const key = nameOf(point)
    await this.#counts.warmUp(key, timing.warmupSeconds, count =>
      this.#publishCount(servers, stream, point.workload, count),
    )
    const count = this.#counts.countFor(key, timing.seconds)
    const measured = await this.#publishCount(servers, stream, point.workload, count)
    return { ...toSample(measured, point.workload), publishLatency: measured.latency }
  }

  #publishCount(servers: NatsServers, stream: Stream, workload: Workload, count: number): Promise<Measured> {
    const { messageSize, replicationFactor, inFlight, recordsPerSend } = workload
    const how = inFlight === 1 ? 'sync' : recordsPerSend === 1 ? 'async' : 'fast'
    const batch = how === 'sync' ? [] : ['--batch', how === 'async' ? inFlight : 500]
    const store = ['--create', '--storage', 'file', '--replicas', replicationFactor, '--maxbytes', stream.bytesMax]
    const load = ['--stream', stream.name, '--msgs', count, '--size', messageSize]
    return this.#bench(servers, count, ['pub', how, ...batch, ...store, ...load, `subject.${stream.name}`])
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
    await Promise.all([this.#servers.os, this.#servers.sync].map(servers => servers[Symbol.asyncDispose]()))
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
  if (kind === 'end-to-end' || topics > 1 || keyDistributor !== 'none') return false
  if (point.partitionsPerTopic > nodes || point.producers > 1 || consumers > 1) return false
  return kind !== 'consume' || measuredRecordsOf(point, scale)! === backlogRecordsOf(point, scale)
}
