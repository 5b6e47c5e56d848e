/** What a caller of the producer sees: options, messages, results, counters. */
import type { CompressionName } from '../../protocol/batch/header.ts'
import { compressionNames } from '../../protocol/batch/header.ts'
import type { Codec, RecordHeader } from '../../protocol/batch/types.ts'
import { limits } from '../../protocol/common.ts'
import { ApiError } from '../../protocol/errors.ts'
import { ConfigError } from '../../util/errors.ts'
import { KiB, MiB, minuteMs } from '../../util/units.ts'
import { type ClientOptions, type ClientSettings, integer, oneOf, resolveClient, type WithPorts } from '../options.ts'
import { defaultPartitioner, type Partitioner } from '../partitioner.ts'

/** Headers as an object of names, or as a list when order or repeated names matter. */
export type HeadersInput = Readonly<Record<string, string | Uint8Array | null>> | readonly RecordHeader[]

export interface Message {
  /** Decides the partition, unless `partition` does. Text is sent as UTF-8. */
  readonly key?: string | Uint8Array | null | undefined
  /** `null` is a tombstone. The bytes are copied before `send` returns, unless the buffer is full. */
  readonly value: string | Uint8Array | null
  readonly headers?: HeadersInput | undefined
  /** Milliseconds since 1970; by default the time of `send`. */
  readonly timestamp?: number | undefined
  readonly partition?: number | undefined
}

export interface SendRequest {
  readonly topic: string
  readonly messages: readonly Message[]
  /** Gives up waiting. Records that are already in a batch may still be written. */
  readonly signal?: AbortSignal | undefined
}

export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  /** -1 with `acks: 0`. */
  readonly offset: number
}

export interface ProducerOptions extends ClientOptions {
  /**
   * Who must have a batch before it counts as written: nobody (0), the leader (1), all in-sync replicas ('all', default).
   */
  readonly acks?: 0 | 1 | 'all' | undefined
  /** Codec of the batches. Default `none`. */
  readonly compression?: CompressionName | undefined
  /**
   * How long a batch that is not full waits for more records. Default 0: it leaves at the end of the turn of the event
   * loop, or fills up while `inFlightMax` requests are out to its broker.
   */
  readonly lingerMs?: number | undefined
  /** A batch is full at this many bytes before compression. Default 65,536. */
  readonly batchBytes?: number | undefined
  /** Bytes that may wait in memory; beyond, `send` waits. Default 32 MiB. */
  readonly bufferBytes?: number | undefined
  /** Produce requests out to one broker at a time. Default 5. See `Producer` about order. */
  readonly inFlightMax?: number | undefined
  /** From `send` on, after this long a record is given up. Default 120,000. */
  readonly deliveryTimeoutMs?: number | undefined
  /** Default: Kafka's murmur2 for keyed messages, sticky for the others. */
  readonly partitioner?: Partitioner | undefined
}

export interface ProducerSettings extends ClientSettings {
  /** As on the wire: 0, 1, -1. */
  readonly acks: 0 | 1 | -1
  readonly compression: CompressionName
  readonly codec: Codec | null
  readonly lingerMs: number
  readonly batchBytes: number
  readonly bufferBytes: number
  readonly inFlightMax: number
  readonly deliveryTimeoutMs: number
  readonly partitioner: Partitioner
}

export function resolveProducer(options: WithPorts<ProducerOptions>): ProducerSettings {
  const client = resolveClient(options)
  const compression = oneOf('compression', options.compression, 'none', compressionNames)
  const codec = compression === 'none' ? null : client.codecs[compression]
  if (compression !== 'none' && codec === null) {
    throw new ApiError('UNSUPPORTED_COMPRESSION_TYPE', `compression '${compression}' is not available on this platform`)
  }
  const acks = oneOf('acks', options.acks, 'all', [0, 1, 'all'])
  const partitioner = options.partitioner ?? defaultPartitioner
  if (typeof partitioner !== 'function') throw new ConfigError('partitioner', 'partitioner: expected a function')
  return {
    ...client,
    acks: acks === 'all' ? -1 : acks,
    compression,
    codec,
    lingerMs: integer('lingerMs', options.lingerMs, 0, 0),
    batchBytes: Math.min(integer('batchBytes', options.batchBytes, 64 * KiB, 1), limits.recordsBytes),
    bufferBytes: integer('bufferBytes', options.bufferBytes, 32 * MiB, 1),
    inFlightMax: integer('inFlightMax', options.inFlightMax, 5, 1),
    deliveryTimeoutMs: integer('deliveryTimeoutMs', options.deliveryTimeoutMs, 2 * minuteMs, 1),
    partitioner,
  }
}

/** Counters since the producer was made, and two gauges. For observers; reading them costs nothing. */
export interface ProducerStats {
  recordsSent: number
  recordsFailed: number
  batchesSent: number
  batchesFailed: number
  batchesRetried: number
  batchesSplit: number
  /** Record bytes on the wire, after compression, retries included. */
  bytesSent: number
  requestsSent: number
  connectionsOpened: number
  /** Gauge: bytes of records not yet acknowledged. */
  bufferedBytes: number
  /** Gauge: `send` calls that wait for memory or for metadata. */
  sendsWaiting: number
}
