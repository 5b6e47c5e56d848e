/**
 * Consuming under load: from the start of the topics to what was their end when the run began, batch by batch; with `--again`
 * from the start once more when that is reached.
 */
import type { Admin, Consumer } from '../../index.ts'
import type { BenchConsumeOptions } from '../commands/bench.ts'
import type { CommandContext } from '../context.ts'
import { durabilityOf, namesOf } from './cluster.ts'
import { Measurement } from './measurement.ts'
import { printResult } from './report.ts'

interface Backlog {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Records. */
  readonly available: number
}

export async function benchConsume(context: CommandContext, options: BenchConsumeOptions): Promise<void> {
  const admin = await context.admin()
  const topics = namesOf(options.topic, options.topics)
  const { partitions, backlogs } = await backlogsOf(admin, topics)
  const available = backlogs.reduce((sum, backlog) => sum + backlog.available, 0)
  const consumerCount = Math.min(options.consumers, backlogs.length)
  const shares = Array.from({ length: consumerCount }, (_, at) =>
    backlogs.filter((_, index) => index % consumerCount === at),
  )
  const consumers = await Promise.all(
    shares.map(share =>
      context.consumer({
        assignments: share.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
        until: 'end',
        fetchMinBytes: 64 << 10,
        partitionMaxBytes: 4 << 20,
        prefetchBytes: 32 << 20,
      }),
    ),
  )
  const closing = new AbortController()
  closing.signal.addEventListener('abort', () => void Promise.all(consumers.map(consumer => consumer.close())))
  context.signal.addEventListener('abort', () => closing.abort(), { once: true })
  const measurement = await Measurement.prepare(context, options, 'received')
  const readOnce = async (consumer: Consumer): Promise<void> => {
    for await (const { records } of consumer.batches()) {
      const phase = measurement.take(records.length)
      if (phase === 'over') return closing.abort()
      if (phase === 'warmup') continue
      let bytes = 0
      for (const record of records) bytes += record.value?.length ?? 0
      measurement.add(records.length, bytes)
    }
  }
  const read = async (consumer: Consumer, share: readonly Backlog[]): Promise<void> => {
    for (;;) {
      await readOnce(consumer)
      if (options.again !== true || closing.signal.aborted) return
      for (const start of share) consumer.seek(start)
    }
  }
  await Promise.all(consumers.map((consumer, at) => read(consumer, shares[at]!)))
  const parameters = {
    bench: 'consume',
    topic: options.topic,
    topics: topics.length,
    partitions,
    consumers: consumerCount,
    available,
    again: options.again ?? false,
  }
  const durability = await durabilityOf(admin, topics[0]!)
  printResult(context, { parameters, durability, ...(await measurement.finish()) })
}

/** Of the partitions that hold something; `partitions` is how many the first topic has in all. */
async function backlogsOf(
  admin: Admin,
  topics: readonly string[],
): Promise<{ partitions: number; backlogs: Backlog[] }> {
  const described = await admin.describeTopics({ topics: [...topics] })
  const backlogs = described.flatMap(({ name, partitions }) =>
    partitions.map(({ partition, highWatermark, logStartOffset }): Backlog => {
      const offset = logStartOffset ?? 0
      return { topic: name, partition, offset, available: (highWatermark ?? 0) - offset }
    }),
  )
  return { partitions: described[0]!.partitions.length, backlogs: backlogs.filter(({ available }) => available > 0) }
}
