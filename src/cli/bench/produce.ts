/**
 * Producing under load. Each send carries `--batch-records` records; the producer makes batches of them as it does in any
 * program. Without `--rate` a closed loop keeps `--in-flight` sends outstanding; with it sends are due on a fixed schedule
 * (open-loop.ts).
 */
import type { Producer } from '../../index.ts'
import { BatchBuilder } from '../../protocol/batch/builder.ts'
import type { BenchProduceOptions } from '../commands/bench.ts'
import type { CommandContext } from '../context.ts'
import { durabilityOf, ensureTopics } from './cluster.ts'
import { makeSends } from './load.ts'
import { Measurement } from './measurement.ts'
import { runOpenLoop } from './open-loop.ts'
import { printResult } from './report.ts'

/** The producer's default: small sends of one turn share a batch, as they do in a program. */
const batchBytesMin = 64 * 1024

export async function benchProduce(context: CommandContext, options: BenchProduceOptions): Promise<void> {
  const admin = await context.admin()
  const targets = await ensureTopics(admin, options)
  const producers = await openProducers(context, options)
  const nextSend = makeSends(options, targets)
  const measurement = await Measurement.prepare(context, options, 'sent')
  let sends = 0
  const send = (dueAt: number | null): Promise<void> | null => {
    const phase = measurement.take(options.batchRecords, dueAt)
    if (phase === 'over') return null
    const startedAt = performance.now()
    const { topic, messages } = nextSend()
    const answered = producers[sends++ % producers.length]!.send({ topic, messages })
    if (phase === 'warmup') return answered.then(() => {})
    if (dueAt !== null) measurement.addSendDelay(startedAt - dueAt)
    return answered.then(() => {
      const latencyMs = performance.now() - (dueAt ?? startedAt)
      measurement.add(messages.length, messages.length * options.size, latencyMs)
    })
  }
  if (options.rate === undefined) await runClosedLoop(options.inFlight, () => send(null))
  else {
    const sendsPerSecond = options.rate / options.batchRecords
    await runOpenLoop({ sendsPerSecond, unansweredMax: options.inFlight, onDue: send })
  }
  const parameters = {
    bench: 'produce',
    topic: options.topic,
    topics: targets.length,
    partitions: targets[0]!.partitions,
    size: options.size,
    randomBytes: options.randomBytes,
    keys: options.keys,
    producers: producers.length,
    batchRecords: options.batchRecords,
    inFlight: options.inFlight,
    acks: options.acks,
    compression: options.compression,
    rate: options.rate ?? 'maximum',
  }
  const durability = await durabilityOf(admin, targets[0]!.topic)
  printResult(context, { parameters, durability, ...(await measurement.finish()) })
}

type ProducerOptions = Pick<
  BenchProduceOptions,
  'producers' | 'acks' | 'compression' | 'size' | 'batchRecords' | 'inFlight' | 'rate'
>

/** With batches and a buffer that are large enough for what is sent. */
export function openProducers(context: CommandContext, options: ProducerOptions): Promise<Producer[]> {
  const batchBytes = Math.max(sizeOfBatch(options), batchBytesMin)
  return Promise.all(
    Array.from({ length: options.producers }, () =>
      context.producer({
        acks: options.acks,
        compression: options.compression,
        batchBytes,
        bufferBytes: Math.max(64 << 20, 4 * options.inFlight * batchBytes),
        // At a rate all that is due may be unanswered, but not all of it in requests of its own.
        inFlightMax: options.rate === undefined ? options.inFlight : Math.min(options.inFlight, 16),
      }),
    ),
  )
}

/** Resolves when every one of so many lanes is over; rejects with the first failure. */
export async function runClosedLoop(lanes: number, send: () => Promise<void> | null): Promise<void> {
  const run = async (): Promise<void> => {
    for (let answered = send(); answered !== null; answered = send()) await answered
  }
  await Promise.all(Array.from({ length: lanes }, run))
}

/** The very size of what one send without keys becomes: a large one is a batch of its own. */
function sizeOfBatch({ size, batchRecords }: ProducerOptions): number {
  const builder = new BatchBuilder({ bytesMax: Number.MAX_SAFE_INTEGER, compression: 'none', codec: null })
  const value = new Uint8Array(size)
  for (let i = 0; i < batchRecords; i++) builder.tryAppend(null, value, null, 0)
  return builder.sizeBytes
}
