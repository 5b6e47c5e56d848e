/** Producers, consumers and admins on a fake cluster and virtual time. */
import { Admin } from '../../src/client/admin/admin.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import type { ConsumerOptions, ConsumerRecord } from '../../src/client/consumer/types.ts'
import type { ClientPorts } from '../../src/client/options.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import type { ProducerOptions } from '../../src/client/producer/types.ts'
import { nodeCodecs } from '../../src/platform/codecs.ts'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { seededRandom } from '../../src/util/random.ts'
import { FakeCluster } from './fake-cluster.ts'
import { VirtualClock } from './virtual-clock.ts'

export function startFake(options: { seed?: number; nodes?: number } = {}) {
  const clock = new VirtualClock()
  const random = seededRandom(options.seed ?? 1)
  const cluster = new FakeCluster(clock, random, options.nodes ?? 1)
  const ports: ClientPorts = {
    socketFactory: { connect: () => Promise.reject(new Error('the fake has no sockets')) },
    codecs: nodeCodecs,
    clock,
    random: seededRandom((options.seed ?? 1) + 1),
    logger: silentLogger,
  }
  const bootstrap = cluster.urlOf(1)
  return {
    clock,
    cluster,
    random,
    ports,
    producer: (more: Partial<ProducerOptions> = {}) => new Producer({ bootstrap, ...more, ...ports }, cluster.connect),
    consumer: <K = Uint8Array | null, V = Uint8Array | null>(more: Partial<ConsumerOptions<K, V>> = {}) =>
      new Consumer<K, V>({ bootstrap, ...more, ...ports, logger: more.logger ?? silentLogger }, cluster.connect),
    admin: (more: { requestTimeoutMs?: number } = {}) => new Admin({ bootstrap, ...more, ...ports }, cluster.connect),
  }
}

export const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : new TextDecoder().decode(bytes)

/** One batch with these values. */
export function batchOf(
  values: readonly string[],
  options: { timestamp?: number; compression?: 'none' | 'gzip' } = {},
): Uint8Array {
  const compression = options.compression ?? 'none'
  const codec = compression === 'none' ? null : nodeCodecs.gzip
  const builder = new BatchBuilder({ bytesMax: 1 << 20, compression, codec })
  for (const value of values) builder.tryAppend(null, value, null, options.timestamp ?? 1_000)
  return builder.finish() as Uint8Array
}

/** Reads `count` records in one loop. */
export async function take<K, V>(
  consumer: AsyncIterable<ConsumerRecord<K, V>>,
  count: number,
): Promise<ConsumerRecord<K, V>[]> {
  const records: ConsumerRecord<K, V>[] = []
  if (count === 0) return records
  for await (const record of consumer) {
    records.push(record)
    if (records.length === count) break
  }
  return records
}
