/** Makes logs on any disk, batches with known contents, and reads them back. */

import type { Disk } from '../../src/log/disk.ts'
import { type LogManagerOptions, openLogManager } from '../../src/log/log-manager.ts'
import type { LogConfig, LogManager, PartitionLog, ReadRequest, TopicPartition } from '../../src/log/types.ts'
import { splitBatches } from '../../src/protocol/batch/decoder.ts'
import { batchHeaderBytes, position, readBatchHeader, writeInt64 } from '../../src/protocol/batch/header.ts'
import type { Codecs } from '../../src/protocol/batch/types.ts'
import type { Clock } from '../../src/util/clock.ts'
import { crc32c } from '../../src/util/crc32c.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'

export const noCodecs: Codecs = { gzip: null, snappy: null, lz4: null, zstd: null }
export const directory = 'data'
export const id: TopicPartition = { topic: 'orders', topicId: 'AAAAAAAAAAAAAAAAAAAAAA', partition: 0 }
export const epoch0 = toLeaderEpoch(0)

export const logConfig: LogConfig = {
  segmentBytes: 4096,
  segmentMs: 1_000_000_000,
  segmentIndexBytes: 4096,
  indexIntervalBytes: 512,
  retentionMs: -1,
  retentionBytes: -1,
  flushPolicy: 'sync',
  timestampType: 'create',
}

/** A clock whose deferred work runs in the next macrotask and whose timers never fire: for tests without time. */
export const turnClock: Clock = {
  nowMs: () => 0,
  wallClockMs: () => 1_700_000_000_000,
  setTimer: () => ({ cancel: () => undefined }),
  defer: fn => void setImmediate(fn),
}

export function openManager(disk: Disk, options: Partial<LogManagerOptions> = {}): Promise<LogManager> {
  return openLogManager({
    directory,
    disk,
    clock: turnClock,
    codecs: noCodecs,
    logger: silentLogger,
    tailCacheBytesMax: 1 << 20,
    readAheadBytesMax: 1 << 20,
    openFilesMax: 8,
    syncsInFlightMax: 2,
    unflushedBytesMax: 1 << 20,
    reserveBytes: 0,
    ...options,
  })
}

export interface OpenLog {
  readonly manager: LogManager
  readonly log: PartitionLog
}

export async function openOne(
  disk: Disk,
  config: Partial<LogConfig> = {},
  options: Partial<LogManagerOptions> = {},
): Promise<OpenLog> {
  const manager = await openManager(disk, options)
  return { manager, log: await manager.openLog(id, { ...logConfig, ...config }) }
}

export interface BatchShape {
  readonly records?: number
  readonly timestamp?: number
  readonly valueBytes?: number
  /** First byte of every value byte sequence: makes contents differ. */
  readonly fill?: number
}

/** A batch of uncompressed records with equal values, laid out by hand: independent of the protocol's builder. */
export function batchOf({ records = 1, timestamp = 1000, valueBytes = 40, fill = 7 }: BatchShape = {}): Uint8Array {
  const parts: number[] = []
  for (let at = 0; at < records; at++) {
    const value = Array.from({ length: valueBytes }, (_, byte) => 1 + ((fill + at + byte) % 255))
    const body = [0, ...varint(0), ...varint(at), ...varint(-1), ...varint(valueBytes), ...value, ...varint(0)]
    parts.push(...varint(body.length), ...body)
  }
  const batch = new Uint8Array(batchHeaderBytes + parts.length)
  batch.set(parts, batchHeaderBytes)
  const view = new DataView(batch.buffer)
  view.setInt32(position.batchLength, batch.length - 12)
  view.setInt32(position.leaderEpoch, -1)
  view.setInt8(position.magic, 2)
  view.setInt32(position.lastOffsetDelta, records - 1)
  writeInt64(view, position.baseTimestamp, timestamp)
  writeInt64(view, position.maxTimestamp, timestamp)
  writeInt64(view, position.producerId, -1)
  view.setInt16(position.producerEpoch, -1)
  view.setInt32(position.baseSequence, -1)
  view.setInt32(position.recordCount, records)
  view.setUint32(position.crc, crc32c(batch, 21, batch.length))
  return batch
}

function varint(value: number): number[] {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  const bytes: number[] = []
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  return [...bytes, rest]
}

/** All batches of the log, each as its own copy. */
export async function readAll(log: PartitionLog, endOffset = log.logEndOffset): Promise<Uint8Array[]> {
  const batches: Uint8Array[] = []
  let fromOffset = log.logStartOffset
  while (fromOffset < endOffset) {
    const found = await readBatches(log, { fromOffset, endOffset, maxBytes: 1500, minOneBatch: true })
    if (found.length === 0) break
    batches.push(...found)
    const last = readBatchHeader(found.at(-1)!, 0)
    fromOffset = last.baseOffset + last.lastOffsetDelta + 1
  }
  return batches
}

export async function readBatches(log: PartitionLog, request: ReadRequest): Promise<Uint8Array[]> {
  const views = await log.read(request)
  return views.flatMap(view => splitBatches(view)).map(batch => batch.slice())
}

/** Ends when the event loop has nothing immediate left. */
export async function settled(turns = 3): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise(resolve => setImmediate(resolve))
}
