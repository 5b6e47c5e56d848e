/**
 * Apache Kafka as a peer: KRaft nodes from Maven artifacts, and as the client Kafka's own ProducerPerformance and
 * ConsumerPerformance in a process that stays, so that they are measured compiled. Durability is equal: `os` is Kafka's
 * default, `sync` is `flush.messages=1`.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { forgetPeak, peakBytesOf } from '../harness/processes.ts'
import type { Cluster, Sample, StartOptions, System, Timing } from '../harness/system.ts'
import { backlogRecordsOf, measuredRecordsOf, nameOf, type Point, topicOf } from '../harness/workload.ts'
import { type CommandOutput, PerfClient } from './kafka/client.ts'
import { parseConsumer, parseProducer, parseTimed } from './kafka/outputs.ts'
import { jvmOptions, KafkaNodes, sharedSettings } from './kafka/server.ts'
import { RecordCounts } from './repeat.ts'
import { started, steadySeries, sumOfCpuSeconds, versionOf } from './tools.ts'

const pom = path.join(import.meta.dirname, '..', '..', 'scripts', 'kafka', 'pom.xml')
/** The tools' default is less than a batch of 1,000 × 1 KiB. */
const requestBytesMax = 4_194_304
const batchBytesMin = 65_536

export const kafka: System = {
  name: 'kafka',
  async missing() {
    if ((await versionOf('java', ['-version'])) === null) return 'it needs a JVM, 17 or later (java)'
    if ((await versionOf('mvn', ['-v'])) === null) return 'it needs Maven (mvn), which fetches Kafka'
    return null
  },
  async start(options) {
    const classPath = await fetchKafka()
    return started(new KafkaCluster(options, classPath, await KafkaNodes.format(classPath, options)))
  },
}

async function fetchKafka(): Promise<string> {
  const work = mkdtempSync(path.join(tmpdir(), 'millrace-kafka-'))
  try {
    const output = path.join(work, 'class-path')
    const args = ['-q', '-B', '-P', 'bench', '-f', pom, 'dependency:build-classpath', `-Dmdep.outputFile=${output}`]
    await promisify(execFile)('mvn', args)
    return readFileSync(output, 'utf8').trim()
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

interface Measured {
  readonly records: number
  readonly seconds: number
  readonly output: CommandOutput
  readonly nodesCpuSeconds: number | null
}

class KafkaCluster implements Cluster {
  readonly version: string
  readonly configuration: Readonly<Record<string, string>>
  readonly #replicationFactor: number
  readonly #classPath: string
  readonly #nodes: KafkaNodes
  readonly #counts = new RecordCounts()
  #client: PerfClient
  #starts = 0
  #firstRecordSeconds = 0

  constructor({ nodes }: StartOptions, classPath: string, formatted: KafkaNodes) {
    this.version = /kafka-clients-([\d.]+)\.jar/.exec(classPath)?.[1] ?? 'unknown'
    this.configuration = {
      jvm: jvmOptions.join(' '),
      ...sharedSettings(nodes),
      topics: 'os: defaults; sync: flush.messages=1',
      client:
        'ProducerPerformance and ConsumerPerformance, -Xmx512M, in one process that stays; batch.size as one send of the workload, at least 65,536; linger.ms=5 (its default) at the maximum rate, 0 where latency is measured; buffer.memory=64 MiB',
    }
    this.#replicationFactor = nodes
    this.#classPath = classPath
    this.#nodes = formatted
    this.#client = new PerfClient(classPath)
  }

  get pids(): readonly number[] {
    return this.#nodes.pids
  }

  get firstRecordSeconds(): number {
    return this.#firstRecordSeconds
  }

  /** The client's JVM is up, and its classes are loaded, before the nodes' clock begins. */
  async start(): Promise<void> {
    await this.#client.run('open', this.#nodes.bootstrap)
    const startedAt = performance.now()
    this.#nodes.spawn()
    await this.#client.run('first', `first-${this.#starts++}`, this.#replicationFactor)
    this.#firstRecordSeconds = (performance.now() - startedAt) / 1_000
    await this.#nodes.connect()
  }

  async restart(): Promise<void> {
    await this[Symbol.asyncDispose]()
    this.#client = new PerfClient(this.#classPath)
    await this.start()
  }

  async fill(point: Point, timing: Timing): Promise<boolean> {
    if (!isFor(point, timing)) return false
    await this.#createTopic(point)
    await this.#client.run('producer', ...this.#producerArguments(point, backlogRecordsOf(point, timing.scale)))
    return true
  }

  async measure(point: Point, timing: Timing): Promise<Sample | null> {
    if (!isFor(point, timing)) return null
    forgetPeak(this.#client.pid)
    const measured = async (): Promise<Sample> => {
      const sample = await this.#measureKind(point, timing)
      return { ...sample, clientPeakBytes: peakBytesOf(this.#client.pid) }
    }
    if (point.workload.kind === 'consume') return measured()
    await this.#createTopic(point)
    try {
      return await measured()
    } finally {
      await this.#nodes.admin.deleteTopics({ topics: [topicOf(point)] })
    }
  }

  async #createTopic(point: Point): Promise<void> {
    const configEntries = point.durability === 'sync' ? [{ name: 'flush.messages', value: '1' }] : []
    const { replicationFactor } = point.workload
    await this.#nodes.admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic: topicOf(point), numPartitions: point.partitionsPerTopic, replicationFactor, configEntries }],
    })
  }

  #measureKind(point: Point, timing: Timing): Promise<Sample> {
    const { kind, inFlight, recordsPerSend } = point.workload
    if (kind === 'consume') return this.#consume(point, timing)
    if (kind === 'end-to-end')
      return point.producerRate === 0
        ? this.#timed('tail', point, recordsPerSend, timing)
        : this.#timed('endtoend', point, point.producerRate, timing)
    // Single records with a bound on how many are under way: ProducerPerformance has no such bound.
    if (recordsPerSend === 1) return this.#timed('closed', point, inFlight, timing)
    return this.#produce(point, timing)
  }

  async #produce(point: Point, timing: Timing): Promise<Sample> {
    const { workload } = point
    const count = measuredRecordsOf(point, timing.scale) ?? (await this.#countFor(point, timing))
    const { records, seconds, output, nodesCpuSeconds } = await this.#runProducer(point, count)
    const { recordsPerSecond, latency } = parseProducer(output.lines)
    return {
      records,
      bytes: records * workload.messageSize,
      seconds,
      publishLatency: latency,
      publishDelayLatency: null,
      endToEndLatency: null,
      series: steadySeries(seconds, recordsPerSecond, workload.messageSize),
      clientCpuSeconds: output.cpuSeconds,
      nodesCpuSeconds,
      clientPeakBytes: null,
    }
  }

  /** Known after the warm-up. */
  async #countFor(point: Point, { warmupSeconds, seconds }: Timing): Promise<number> {
    const key = nameOf(point)
    await this.#counts.warmUp(key, warmupSeconds, count => this.#runProducer(point, count))
    return this.#counts.countFor(key, seconds)
  }

  async #runProducer(point: Point, count: number): Promise<Measured> {
    const measured = await this.#withNodesCpu(() =>
      this.#client.run('producer', ...this.#producerArguments(point, count)),
    )
    const { records, recordsPerSecond } = parseProducer(measured.output.lines)
    return { ...measured, records, seconds: records / recordsPerSecond }
  }

  #producerArguments(point: Point, records: number): (string | number)[] {
    const { messageSize, recordsPerSend, acks } = point.workload
    const load = ['--topic', topicOf(point), '--num-records', records, '--record-size', messageSize, '--throughput', -1]
    const properties = {
      'bootstrap.servers': this.#nodes.bootstrap,
      acks,
      'batch.size': Math.max(batchBytesMin, recordsPerSend * (messageSize + 16)),
      'buffer.memory': 67_108_864,
      'max.request.size': requestBytesMax,
    }
    return [...load, '--producer-props', ...Object.entries(properties).map(([name, value]) => `${name}=${value}`)]
  }

  async #consume(point: Point, timing: Timing): Promise<Sample> {
    const { workload } = point
    const messages = backlogRecordsOf(point, timing.scale)
    const from = ['--bootstrap-server', this.#nodes.bootstrap, '--topic', topicOf(point), '--messages', messages]
    const args = [...from, '--fetch-size', requestBytesMax, '--hide-header']
    const { output, nodesCpuSeconds } = await this.#withNodesCpu(() => this.#client.run('consumer', ...args))
    const { records, seconds } = parseConsumer(output.lines)
    return {
      records,
      bytes: records * workload.messageSize,
      seconds,
      publishLatency: null,
      publishDelayLatency: null,
      endToEndLatency: null,
      series: steadySeries(seconds, records / seconds, workload.messageSize),
      clientCpuSeconds: output.cpuSeconds,
      nodesCpuSeconds,
      clientPeakBytes: null,
    }
  }

  async #timed(
    command: 'closed' | 'endtoend' | 'tail',
    point: Point,
    parameter: number,
    timing: Timing,
  ): Promise<Sample> {
    const { messageSize, acks } = point.workload
    const load = [this.#nodes.bootstrap, topicOf(point), point.partitionsPerTopic, acks, messageSize, parameter]
    const { output, nodesCpuSeconds } = await this.#withNodesCpu(() =>
      this.#client.run(command, ...load, timing.warmupSeconds, timing.seconds),
    )
    const { records, seconds, latency, series } = parseTimed(output.lines, messageSize)
    // The nodes' time is that of the warm-up too, which is the same load.
    const measuredPart = timing.seconds / (timing.warmupSeconds + timing.seconds)
    return {
      records,
      bytes: records * messageSize,
      seconds,
      publishLatency: command === 'closed' ? latency : null,
      publishDelayLatency: null,
      endToEndLatency: command === 'closed' ? null : latency,
      series,
      clientCpuSeconds: output.cpuSeconds,
      nodesCpuSeconds: nodesCpuSeconds === null ? null : nodesCpuSeconds * measuredPart,
      clientPeakBytes: null,
    }
  }

  async #withNodesCpu(run: () => Promise<CommandOutput>): Promise<Omit<Measured, 'records' | 'seconds'>> {
    const before = sumOfCpuSeconds(this.pids)
    const output = await run()
    const after = sumOfCpuSeconds(this.pids)
    return { output, nodesCpuSeconds: before === null || after === null ? null : after - before }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
    await this.#nodes[Symbol.asyncDispose]()
  }
}

/** One process of Kafka's tools has one producer and one consumer, reads a backlog once, and sends batches at the maximum rate. */
function isFor(point: Point, { scale }: Timing): boolean {
  const { kind, topics, consumers, keyDistributor, recordsPerSend, inFlight } = point.workload
  if (kind === 'produce' && recordsPerSend > 1 && (inFlight === 1 || point.producerRate > 0)) return false
  const isReadAgain = kind === 'consume' && measuredRecordsOf(point, scale)! > backlogRecordsOf(point, scale)
  return point.producers === 1 && consumers === 1 && topics === 1 && keyDistributor === 'none' && !isReadAgain
}
