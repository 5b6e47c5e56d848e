/** Consuming under load: from the start of a topic to what was its end when the run began, batch by batch. */
import type { BenchConsumeOptions } from '../commands/bench.ts'
import type { CommandContext } from '../context.ts'
import { durabilityOf, startCpuMeter } from './cluster.ts'
import { Progress, printResult } from './report.ts'

export async function benchConsume(context: CommandContext, options: BenchConsumeOptions): Promise<void> {
  const admin = await context.admin()
  const [topic] = await admin.describeTopics({ topics: [options.topic] })
  const available = topic!.partitions.reduce((sum, p) => sum + (p.highWatermark ?? 0) - (p.logStartOffset ?? 0), 0)
  const wanted = Math.min(options.records, available)
  const consumer = await context.consumer({
    topics: [options.topic],
    from: 'start',
    fetchMinBytes: 64 << 10,
    partitionMaxBytes: 4 << 20,
    prefetchBytes: 32 << 20,
  })
  context.signal.addEventListener('abort', () => void consumer.close(), { once: true })
  const progress = new Progress(context, { isQuiet: options.quiet === true, verb: 'received', latency: null })
  const cpu = await startCpuMeter(context)
  const startedAt = performance.now()
  let records = 0
  let bytes = 0
  if (wanted > 0) {
    for await (const batch of consumer.batches()) {
      let batchBytes = 0
      for (const record of batch.records) batchBytes += record.value?.length ?? 0
      records += batch.records.length
      bytes += batchBytes
      progress.add(batch.records.length, batchBytes)
      if (records >= wanted) break
      if (options.duration !== undefined && performance.now() - startedAt > options.duration) break
    }
  }
  printResult(context, {
    parameters: { bench: 'consume', topic: options.topic, partitions: topic!.partitions.length, available },
    durability: await durabilityOf(admin, options.topic),
    records,
    bytes,
    seconds: (performance.now() - startedAt) / 1_000,
    latencyMs: null,
    cpuSeconds: await cpu.stop(),
  })
}
