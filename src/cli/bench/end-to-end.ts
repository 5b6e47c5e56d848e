/**
 * End to end: the time from the moment a record was due to be sent until a consumer at the tail has it. Both ends are in
 * this process, so one clock measures. Without `--rate` one record is on its way at a time.
 */
import type { BenchProduceOptions } from '../commands/bench.ts'
import type { CommandContext } from '../context.ts'
import { durabilityOf, ensureTopic, startCpuMeter } from './cluster.ts'
import { LatencyRecorder, Progress, printResult } from './report.ts'

const dueAtBytes = 8

export async function benchEndToEnd(context: CommandContext, options: BenchProduceOptions): Promise<void> {
  const admin = await context.admin()
  const partitions = await ensureTopic(admin, options.topic, options.partitions)
  const producer = await context.producer({ acks: options.acks })
  // The ends are looked up before anything is sent, so that the first record is not missed.
  const ends = await admin.listOffsets({
    partitions: Array.from({ length: partitions }, (_, partition) => ({
      topic: options.topic,
      partition,
      at: 'end' as const,
    })),
  })
  const consumer = await context.consumer({ assignments: ends, fetchMinBytes: 1 })
  const received = consumer[Symbol.asyncIterator]()

  const latency = new LatencyRecorder()
  const progress = new Progress(context, { isQuiet: options.quiet === true, verb: 'received', latency })
  const cpu = await startCpuMeter(context)
  const startedAt = performance.now()
  const total = options.warmup + options.records
  const intervalMs = options.rate === undefined ? null : 1_000 / options.rate
  const isOver = (): boolean =>
    context.signal.aborted || (options.duration !== undefined && performance.now() - startedAt > options.duration)
  const sendAt = async (at: number, dueAt: number): Promise<void> => {
    const value = new Uint8Array(Math.max(dueAtBytes, options.size))
    new DataView(value.buffer).setFloat64(0, dueAt)
    await producer.send({ topic: options.topic, messages: [{ value, partition: at % partitions }] })
  }
  const sending = intervalMs === null ? null : sendOnSchedule(total, startedAt, intervalMs, isOver, sendAt)

  let count = 0
  while (count < total && !isOver()) {
    const acknowledged = sending === null ? sendAt(count, performance.now()) : null
    const next = await received.next()
    if (next.done === true) break
    const value = next.value.value!
    const latencyMs = performance.now() - new DataView(value.buffer, value.byteOffset).getFloat64(0)
    count++
    if (count > options.warmup) latency.record(latencyMs)
    progress.add(1, value.length)
    await acknowledged
  }
  await sending
  printResult(context, {
    parameters: {
      bench: 'e2e',
      topic: options.topic,
      partitions,
      size: options.size,
      acks: options.acks,
      rate: options.rate ?? 'one at a time',
    },
    durability: await durabilityOf(admin, options.topic),
    records: count,
    bytes: count * options.size,
    seconds: (performance.now() - startedAt) / 1_000,
    latencyMs: latency.result(),
    cpuSeconds: await cpu.stop(),
  })
}

async function sendOnSchedule(
  total: number,
  startedAt: number,
  intervalMs: number,
  isOver: () => boolean,
  send: (at: number, dueAt: number) => Promise<void>,
): Promise<void> {
  const unsettled = new Set<Promise<void>>()
  for (let at = 0; at < total && !isOver(); at++) {
    const dueAt = startedAt + at * intervalMs
    const waitMs = dueAt - performance.now()
    if (waitMs > 0.5) await new Promise(resolve => setTimeout(resolve, waitMs))
    const sending = send(at, dueAt).finally(() => unsettled.delete(sending))
    unsettled.add(sending)
    // A cluster slower than the rate must not cost unbounded memory here.
    if (unsettled.size >= 50_000) await Promise.race(unsettled)
  }
  await Promise.all(unsettled)
}
