/** What both entries export beside the classes themselves: types, errors, and what helps to write options. */
export { type CompressionName, compressionNames } from '../protocol/batch/header.ts'
export type { Codec, Codecs, RecordHeader } from '../protocol/batch/types.ts'
export { ApiError, type ErrorName } from '../protocol/errors.ts'
export type { Socket, SocketFactory } from '../transport/socket.ts'
export type { Clock, Timer } from '../util/clock.ts'
export { AbortError, ConfigError } from '../util/errors.ts'
export type { Logger } from '../util/logger.ts'
export type { Random } from '../util/random.ts'
export { version } from '../util/version.ts'
export type * from './admin/types.ts'
export type { TopicPartition } from './by-leader.ts'
export { LogTruncatedError } from './consumer/log-truncated-error.ts'
export type {
  Assignment,
  BatchRecord,
  ConsumerBatch,
  ConsumerOptions,
  ConsumerRecord,
  ConsumerStats,
  Deserializer,
  Deserializers,
  EpochStart,
  OutOfRangePolicy,
  PartitionProgress,
  StartPosition,
} from './consumer/types.ts'
export type { OffsetQuery, OffsetSpec } from './offsets.ts'
export type { ClientOptions, ClientPorts } from './options.ts'
export { defaultPartitioner, type Partitioner, partitionForKey } from './partitioner.ts'
export type {
  HeadersInput,
  Message,
  ProducerOptions,
  ProducerStats,
  RecordMetadata,
  SendRequest,
} from './producer/types.ts'
