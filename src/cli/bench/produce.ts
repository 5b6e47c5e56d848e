/**
 * Producing under load. Each send carries `--batch-records` records for one partition, and `--in-flight` sends are
 * outstanding; the producer makes batches of them as it does in any program. With `--rate` the sends are due on a fixed schedule, and latency counts from
 * when a send was due: a stall delays all that was due meanwhile (coordinated omission, corrected).
 */
import type { Message } from '../../index.ts'
import { BatchBuilder } from '../../protocol/batch/builder.ts'
import type { BenchProduceOptions } from '../commands/bench.ts'
import type { CommandContext } from '../context.ts'
import { durabilityOf, ensureTopic, startCpuMeter } from './cluster.ts'
import { LatencyRecorder, Progress, printResult } from './report.ts'

/** The producer's default: small sends of one turn share a batch, as they do in a program. */
const batchBytesMin = 64 * 1024

export async function benchProduce(context: CommandContext, options: BenchProduceOptions): Promise<void> {
  const admin = await context.admin()
  const partitions = await ensureTopic(admin, options.topic, options.partitions)
  const messages = makeMessages({ ...options, partitions })
  const batchBytes = Math.max(sizeOfBatch(messages[0]!), batchBytesMin)
  const producer = await context.producer({
    acks: options.acks,
    compression: options.compression,
    batchBytes,
    bufferBytes: Math.max(64 << 20, 4 * options.inFlight * batchBytes),
    inFlightMax: options.inFlight,
  })
  let sends = 0
  const send = async (): Promise<number> => {
    const sent = await producer.send({ topic: options.topic, messages: messages[sends++ % partitions]! })
    return sent.length
  }
  if (options.warmup > 0) await pump(context, { ...options, rate: undefined, records: options.warmup }, send, () => {})

  const latency = new LatencyRecorder()
  const progress = new Progress(context, { isQuiet: options.quiet === true, verb: 'sent', latency })
  const cpu = await startCpuMeter(context)
  const startedAt = performance.now()
  let records = 0
  await pump(context, options, send, (count, latencyMs) => {
    records += count
    latency.record(latencyMs)
    progress.add(count, count * options.size)
  })
  const seconds = (performance.now() - startedAt) / 1_000
  printResult(context, {
    parameters: {
      bench: 'produce',
      topic: options.topic,
      partitions,
      size: options.size,
      batchRecords: options.batchRecords,
      inFlight: options.inFlight,
      acks: options.acks,
      compression: options.compression,
      rate: options.rate ?? 'maximum',
    },
    durability: await durabilityOf(admin, options.topic),
    records,
    bytes: records * options.size,
    seconds,
    latencyMs: latency.result(),
    cpuSeconds: await cpu.stop(),
  })
}

type Load = Pick<BenchProduceOptions, 'records' | 'batchRecords' | 'inFlight' | 'duration'> & {
  rate?: number | undefined
}

/** Keeps `inFlight` sends going until all records are sent or the time is over; rejects with the first failure. */
function pump(
  context: CommandContext,
  load: Load,
  send: () => Promise<number>,
  onSent: (count: number, latencyMs: number) => void,
): Promise<void> {
  const startedAt = performance.now()
  const sendsMax = Math.ceil(load.records / load.batchRecords)
  const intervalMs = load.rate === undefined ? 0 : (1_000 * load.batchRecords) / load.rate
  let started = 0
  let done = 0
  return new Promise((resolve, reject) => {
    const isOver = (): boolean =>
      started >= sendsMax ||
      context.signal.aborted ||
      (load.duration !== undefined && performance.now() - startedAt > load.duration)
    const next = (): void => {
      if (isOver()) {
        if (done === started) resolve()
        return
      }
      const dueAt = load.rate === undefined ? performance.now() : startedAt + started * intervalMs
      const waitMs = dueAt - performance.now()
      started++
      if (waitMs > 1) setTimeout(launch, waitMs, dueAt)
      else launch(dueAt)
    }
    const launch = (dueAt: number): void => {
      send().then(count => {
        onSent(count, performance.now() - dueAt)
        done++
        next()
      }, reject)
    }
    for (let i = 0; i < load.inFlight; i++) next()
  })
}

/** Per partition, the messages of one send: values of pseudo-random letters, the same in every run. */
function makeMessages(options: BenchProduceOptions): Message[][] {
  return Array.from({ length: options.partitions }, (_, partition) =>
    Array.from({ length: options.batchRecords }, (_, at) => ({
      value: makeValue(options.size, partition * 7919 + at),
      partition,
    })),
  )
}

/** The very size of what one send becomes: a large one is a batch of its own. */
function sizeOfBatch(messages: readonly Message[]): number {
  const builder = new BatchBuilder({ bytesMax: Number.MAX_SAFE_INTEGER, compression: 'none', codec: null })
  for (const message of messages) builder.tryAppend(null, message.value, null, 0)
  return builder.sizeBytes
}

function makeValue(size: number, seed: number): Uint8Array {
  const value = new Uint8Array(size)
  let state = seed + 1
  for (let i = 0; i < size; i++) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223
    value[i] = 97 + ((state >>> 24) % 26)
  }
  return value
}
