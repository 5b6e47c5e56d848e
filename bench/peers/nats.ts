/**
 * NATS JetStream as a peer, streams on files, with `nats bench` as the client: `pub fast` for batches, `pub async` and `pub
 * sync` for single records, `ordered` to consume. It has no end-to-end latency at a rate.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { writeBack } from '../harness/processes.ts'
import type { Cluster, Sample, StartOptions, System, Timing } from '../harness/system.ts'
import { nameOf, type Point, type Workload } from '../harness/workload.ts'
import { type BenchOutput, parseBench, parseTimes } from './nats/outputs.ts'
import { type NatsServers, startNats, syncSettings } from './nats/server.ts'
import { RecordCounts } from './repeat.ts'
import { steadySeries, sumOfCpuSeconds, versionOf } from './tools.ts'

/** `sync_interval: always` came with it. */
const versionMin = [2, 10]
/** More than any run writes; a server takes no stream that may outgrow its disk. */
const streamBytesMax = '16GB'

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

  async measure(point: Point, timing: Timing): Promise<Sample | null> {
    const { workload, durability } = point
    if (workload.kind === 'end-to-end' || workload.producers > 1 || workload.consumers > 1) return null
    // A stream is a partition; what it is split by are subjects, which is something else.
    if (workload.topics > 1 || workload.keyDistributor !== 'none') return null
    const servers = this.#servers[durability]
    const stream = `bench-${this.#streams++}`
    const sample = await (workload.kind === 'consume'
      ? this.#consume(servers, stream, workload, timing)
      : this.#publish(servers, stream, point, timing))
    await promisify(execFile)('nats', ['-s', servers.urls, 'stream', 'rm', stream, '-f'])
    return sample
  }

  async #publish(servers: NatsServers, stream: string, point: Point, timing: Timing): Promise<Sample> {
    const key = nameOf(point)
    await this.#counts.warmUp(key, timing.warmupSeconds, count =>
      this.#publishCount(servers, stream, point.workload, count),
    )
    const count = this.#counts.countFor(key, timing.seconds)
    const measured = await this.#publishCount(servers, stream, point.workload, count)
    return { ...toSample(measured, point.workload), publishLatency: measured.latency }
  }

  #publishCount(servers: NatsServers, stream: string, workload: Workload, count: number): Promise<Measured> {
    const { messageSize, replicationFactor, inFlight, recordsPerSend } = workload
    const how = inFlight === 1 ? 'sync' : recordsPerSend === 1 ? 'async' : 'fast'
    const batch = how === 'sync' ? [] : ['--batch', how === 'async' ? inFlight : 500]
    const store = ['--create', '--storage', 'file', '--replicas', replicationFactor, '--maxbytes', streamBytesMax]
    const load = ['--stream', stream, '--msgs', count, '--size', messageSize]
    return this.#bench(servers, count, ['pub', how, ...batch, ...store, ...load, `subject.${stream}`])
  }

  async #consume(servers: NatsServers, stream: string, workload: Workload, timing: Timing): Promise<Sample> {
    const backlog = Math.ceil((timing.scale * workload.consumerBacklogSizeGB * 1e9) / workload.messageSize)
    await this.#publishCount(servers, stream, workload, backlog)
    await writeBack()
    const measured = await this.#bench(servers, backlog, ['ordered', '--stream', stream, '--msgs', backlog])
    return toSample(measured, workload)
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
