/**
 * End to end: the time from the moment a send was due until a consumer at the tail has its first record. Both ends are in
 * this process, so one clock measures. With `--rate` sends are due on a fixed schedule, with `--in-flight` they follow each
 * other as fast as they are acknowledged, whether or not the consumers keep up, and otherwise one is on its way at a time.
 */
import type { Admin, Consumer, Producer } from '../../index.ts'
import type { BenchEndToEndOptions } from '../commands/bench.ts'
import type { CommandContext } from '../context.ts'
import { durabilityOf, ensureTopics } from './cluster.ts'
import { makeSends, type TopicPartitions } from './load.ts'
import { Measurement } from './measurement.ts'
import { runOpenLoop } from './open-loop.ts'
import { openProducers, runClosedLoop } from './produce.ts'
import { printResult } from './report.ts'

/** At the start of each value: when it was due; 0 of what is not timed, in the warm-up and behind the first of a send. */
const stampBytes = 8
/** Values are cut from slabs, as Node's `Buffer` does: one buffer each would make the collector's work the load. */
const slabBytes = 64 << 10
const unansweredMax = 50_000

export async function benchEndToEnd(context: CommandContext, options: BenchEndToEndOptions): Promise<void> {
  const admin = await context.admin()
  const targets = await ensureTopics(admin, options)
  const producers = await openProducersFor(context, options)
  const consumers = await openAtTheEnd(context, admin, targets, options.consumers)
  const measurement = await Measurement.prepare(context, options, 'received')
  const { batchRecords } = options
  const sendBytes = batchRecords * valueBytesOf(options)
  const send = makeStampedSend(options, targets, producers, measurement)
  let sent = 0
  let received = 0
  let onReceived = (): void => {}
  const reading = consumers.map(async consumer => {
    for await (const { records } of consumer.batches()) {
      const now = performance.now()
      let view: DataView = new DataView(new ArrayBuffer(0))
      for (const { value } of records) {
        // The records of a batch are views of one buffer.
        if (view.buffer !== value!.buffer) view = new DataView(value!.buffer)
        const dueAt = view.getFloat64(value!.byteOffset)
        if (dueAt > 0) measurement.add(batchRecords, sendBytes, now - dueAt)
      }
      received += records.length
      onReceived()
    }
  })
  const allReceived = (): Promise<void> =>
    new Promise(resolve => {
      onReceived = () => {
        if (received >= sent || context.signal.aborted) resolve()
      }
      onReceived()
    })
  context.signal.addEventListener('abort', () => onReceived(), { once: true })
  const sendOne = (dueAt: number | null): Promise<void> | null => {
    const answered = send(dueAt)
    if (answered !== null) sent += batchRecords
    return answered
  }
  const sending = sendAll(options, sendOne, allReceived)
  await Promise.race([sending, Promise.all(reading)])
  await Promise.race([allReceived(), Promise.all(reading)])
  await Promise.all(consumers.map(consumer => consumer.close()))
  await Promise.all(reading)
  const parameters = {
    bench: 'e2e',
    topic: options.topic,
    topics: targets.length,
    partitions: targets[0]!.partitions,
    size: options.size,
    producers: producers.length,
    consumers: consumers.length,
    acks: options.acks,
    batchRecords,
    inFlight: options.inFlight ?? null,
    rate: options.rate ?? (options.inFlight === undefined ? 'one at a time' : 'maximum'),
  }
  const durability = await durabilityOf(admin, targets[0]!.topic)
  printResult(context, { parameters, durability, ...(await measurement.finish()) })
}

type SendOne = (dueAt: number | null) => Promise<void> | null

function sendAll(
  { rate, inFlight, batchRecords }: BenchEndToEndOptions,
  send: SendOne,
  received: () => Promise<void>,
): Promise<void> {
  if (rate !== undefined) return runOpenLoop({ sendsPerSecond: rate / batchRecords, unansweredMax, onDue: send })
  return inFlight === undefined ? sendOneAtATime(send, received) : runClosedLoop(inFlight, () => send(null))
}

function openProducersFor(context: CommandContext, options: BenchEndToEndOptions): Promise<Producer[]> {
  const { producers, acks, rate, inFlight } = options
  if (rate === undefined && inFlight !== undefined)
    return openProducers(context, { ...options, inFlight, size: valueBytesOf(options), compression: 'none' })
  return Promise.all(Array.from({ length: producers }, () => context.producer({ acks })))
}

function valueBytesOf({ size }: BenchEndToEndOptions): number {
  return Math.max(stampBytes, size)
}

async function sendOneAtATime(send: SendOne, received: () => Promise<void>): Promise<void> {
  for (let answered = send(null); answered !== null; answered = send(null)) await Promise.all([answered, received()])
}

function makeStampedSend(
  options: BenchEndToEndOptions,
  targets: readonly TopicPartitions[],
  producers: readonly Producer[],
  measurement: Measurement,
): SendOne {
  const size = valueBytesOf(options)
  const nextSend = makeSends({ ...options, size, blankBytes: stampBytes }, targets)
  let sends = 0
  let slab = new DataView(new ArrayBuffer(Math.max(slabBytes, size)))
  let slabUsed = 0
  return dueAt => {
    const phase = measurement.take(options.batchRecords, dueAt)
    if (phase === 'over') return null
    const startedAt = performance.now()
    const { topic, messages } = nextSend()
    const first = messages[0]!
    if (slabUsed + size > slab.byteLength) {
      slab = new DataView(new ArrayBuffer(slab.byteLength))
      slabUsed = 0
    }
    const value = new Uint8Array(slab.buffer, slabUsed, size)
    value.set(first.value as Uint8Array)
    slab.setFloat64(slabUsed, phase === 'measured' ? (dueAt ?? startedAt) : 0)
    slabUsed += size
    if (phase === 'measured' && dueAt !== null) measurement.addSendDelay(startedAt - dueAt)
    const stamped = messages.slice()
    stamped[0] = { ...first, value }
    const answered = producers[sends++ % producers.length]!.send({ topic, messages: stamped })
    return answered.then(() => {})
  }
}

/** The ends are looked up before anything is sent, so that the first record is not missed. */
async function openAtTheEnd(
  context: CommandContext,
  admin: Admin,
  targets: readonly TopicPartitions[],
  count: number,
): Promise<Consumer[]> {
  const ends = await admin.listOffsets({
    partitions: targets.flatMap(({ topic, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition, at: 'end' as const })),
    ),
  })
  const consumerCount = Math.min(count, ends.length)
  return Promise.all(
    Array.from({ length: consumerCount }, (_, at) =>
      context.consumer({ assignments: ends.filter((_, index) => index % consumerCount === at), fetchMinBytes: 1 }),
    ),
  )
}
