/** Consuming under load: from the start of the topics to what was their end when the run began, batch by batch. */
import type { Consumer } from '../../index.ts'
import type { BenchConsumeOptions } from '../commands/bench.ts'
import type { CommandContext } from '../context.ts'
import { durabilityOf, namesOf } from './cluster.ts'
import { Measurement } from './measurement.ts'
import { printResult } from './report.ts'

export async function benchConsume(context: CommandContext, options: BenchConsumeOptions): Promise<void> {
  const admin = await context.admin()
  const topics = await admin.describeTopics({ topics: namesOf(options.topic, options.topics) })
  const partitions = topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partition, highWatermark, logStartOffset }) => ({
      assignment: { topic: name, partition, offset: logStartOffset ?? 0 },
      available: (highWatermark ?? 0) - (logStartOffset ?? 0),
    })),
  )
  const available = partitions.reduce((sum, partition) => sum + partition.available, 0)
  const consumerCount = Math.min(options.consumers, partitions.length)
  const consumers = await Promise.all(
    Array.from({ length: consumerCount }, (_, at) =>
      context.consumer({
        assignments: partitions.filter((_, index) => index % consumerCount === at).map(p => p.assignment),
        fetchMinBytes: 64 << 10,
        partitionMaxBytes: 4 << 20,
        prefetchBytes: 32 << 20,
      }),
    ),
  )
  const closeAll = (): Promise<unknown> => Promise.all(consumers.map(consumer => consumer.close()))
  context.signal.addEventListener('abort', () => void closeAll(), { once: true })
  const measurement = await Measurement.prepare(context, options, 'received')
  let received = 0
  const read = async (consumer: Consumer): Promise<void> => {
    for await (const { records } of consumer.batches()) {
      received += records.length
      const phase = measurement.take(records.length)
      if (phase === 'measured') {
        let bytes = 0
        for (const record of records) bytes += record.value?.length ?? 0
        measurement.add(records.length, bytes)
      }
      // The other consumers wait for records that nobody will write.
      if (phase === 'over' || received >= available) return void closeAll()
    }
  }
  if (available > 0) await Promise.all(consumers.map(read))
  const parameters = {
    bench: 'consume',
    topic: options.topic,
    topics: topics.length,
    partitions: topics[0]!.partitions.length,
    consumers: consumerCount,
    available,
  }
  const durability = await durabilityOf(admin, topics[0]!.name)
  printResult(context, { parameters, durability, ...(await measurement.finish()) })
}
