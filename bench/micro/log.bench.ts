/**
 * Appending to a log and reading it, on a real directory, beside the bare system calls it stands on. Appends are 16 a turn,
 * and a turn's are durable by policy before the next begins, on both sides.
 */
import { join } from 'node:path'
import { openLogManager } from '../../src/log/log-manager.ts'
import type { FlushPolicy, LogConfig, LogManager, PartitionLog } from '../../src/log/types.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { nodeDisk } from '../../src/platform/node-disk.ts'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'
import { GiB, MiB } from '../../src/util/units.ts'
import { BareFile } from './bare-file.ts'
import { type Case, keep, type Prepared, type Room } from './case.ts'

const appendsPerTurn = 16
const readBytes = 8 * MiB
const epoch = toLeaderEpoch(1)
const id = { topic: 'bench', topicId: 'AAAAAAAAAAAAAAAAAAAAAA', partition: 0 }

export const room: Room = {
  name: 'log',
  cases: [
    appending('segment append, 600 × 100 B, os', 600, 'os'),
    appending('segment append, 1 × 100 B, os', 1, 'os'),
    appending('segment append, 600 × 100 B, sync', 600, 'sync'),
    appending('segment append, 1 × 100 B, sync', 1, 'sync'),
    { name: 'segment read, 1 MiB a time', operation: 'a batch', clock: 'cpu', prepare: prepareReading },
  ],
}

function appending(name: string, records: number, flushPolicy: FlushPolicy): Case {
  const prepare = async (directory: string): Promise<Prepared> => {
    const batch = batchOf(records)
    const { manager, log } = await openBench(directory, flushPolicy, 4 * MiB)
    const file = new BareFile(join(directory, 'bare'))
    // The log keeps what it is given, and writes offsets into it.
    const buffers = Array.from({ length: appendsPerTurn }, () => batch.slice())
    let onDurable = (): void => {}
    log.onProgress(() => {
      if (log.durableEndOffset === log.logEndOffset) onDurable()
    })
    return {
      run: () =>
        new Promise(resolve => {
          onDurable = () => resolve(appendsPerTurn)
          for (const buffer of buffers) log.append(buffer, epoch)
        }),
      reference: {
        name: flushPolicy === 'sync' ? 'a bare writev and fdatasync' : 'a bare writev',
        run: async () => {
          await file.append(buffers, flushPolicy === 'sync')
          return appendsPerTurn
        },
      },
      bytes: batch.length,
      reset: async () => {
        file.empty()
        await log.restartAt(0, 'the next measurement begins with an empty file')
      },
      close: async () => {
        file.close()
        await manager[Symbol.asyncDispose]()
      },
    }
  }
  return { name, operation: 'a batch', clock: flushPolicy === 'sync' ? 'wall' : 'cpu', prepare }
}

async function prepareReading(directory: string): Promise<Prepared> {
  const records = 600
  const batch = batchOf(records)
  const { manager, log } = await openBench(directory, 'os', 0)
  for (let count = Math.ceil(readBytes / batch.length); count > 0; count--) log.append(batch.slice(), epoch)
  await log.flush()
  const file = new BareFile(join(directory, 'log', 'bench-0', '00000000000000000000.log'))
  let fromOffset = 0
  return {
    run: async () => {
      if (fromOffset === log.logEndOffset) fromOffset = 0
      const found = await log.read({ fromOffset, endOffset: log.logEndOffset, maxBytes: MiB, minOneBatch: true })
      const batches = found.reduce((sum, view) => sum + view.length, 0) / batch.length
      fromOffset += batches * records
      keep(found)
      return batches
    },
    reference: { name: 'a bare pread', run: async () => (await file.readNext(MiB)) / batch.length },
    bytes: batch.length,
    close: async () => {
      file.close()
      await manager[Symbol.asyncDispose]()
    },
  }
}

function batchOf(records: number): Uint8Array {
  const builder = new BatchBuilder({ bytesMax: MiB, compression: 'none', codec: null })
  const value = new Uint8Array(100).fill(120)
  for (let count = 0; count < records; count++) builder.tryAppend(null, value, null, 1_760_000_000_000)
  return builder.finish() as Uint8Array
}

/** A small tail cache: a fresh log would otherwise spend its time on the first touch of the cache's pages. */
async function openBench(
  directory: string,
  flushPolicy: FlushPolicy,
  tailCacheBytesMax: number,
): Promise<{ manager: LogManager; log: PartitionLog }> {
  const manager = await openLogManager({
    directory: join(directory, 'log'),
    disk: nodeDisk(),
    clock: systemClock,
    codecs: { gzip: null, snappy: null, lz4: null, zstd: null },
    logger: silentLogger,
    tailCacheBytesMax,
    readAheadBytesMax: 0,
    openFilesMax: 100,
    syncsInFlightMax: 2,
    unflushedBytesMax: 64 * MiB,
  })
  return { manager, log: await manager.openLog(id, configOf(flushPolicy)) }
}

function configOf(flushPolicy: FlushPolicy): LogConfig {
  return {
    segmentBytes: GiB,
    segmentMs: Number.MAX_SAFE_INTEGER,
    segmentIndexBytes: 10 * MiB,
    indexIntervalBytes: 4096,
    retentionMs: -1,
    retentionBytes: -1,
    flushPolicy,
    timestampType: 'create',
  }
}
