/**
 * The append and read paths of the log on a real directory, beside the bare system calls they stand on.
 * Workload: batches of 600 records of 100 bytes (66 KB) and single records, 16 appends a turn; both flush policies.
 * The limit of appending is a loop of `writev` of the same bytes (and `fdatasync` after each turn's, under `sync`); the
 * limit of reading is `pread` of 1 MiB into fresh memory. Rounds of log and limit alternate, medians of 5 are compared.
 *
 *     node --import tsx bench/micro/log.bench.ts [directory]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLogManager } from '../../src/log/log-manager.ts'
import type { FlushPolicy, LogConfig, LogManager } from '../../src/log/types.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { installFastCrc32c } from '../../src/platform/crc32c.ts'
import { nodeDisk } from '../../src/platform/node-disk.ts'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import type { Codecs } from '../../src/protocol/batch/types.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'
import { GiB, MiB } from '../../src/util/units.ts'

const noCodecs: Codecs = { gzip: null, snappy: null, lz4: null, zstd: null }
const rounds = 5
const appendsPerTurn = 16
const epoch = toLeaderEpoch(1)

const config = (flushPolicy: FlushPolicy): LogConfig => ({
  segmentBytes: GiB,
  segmentMs: Number.MAX_SAFE_INTEGER,
  segmentIndexBytes: 10 * MiB,
  indexIntervalBytes: 4096,
  retentionMs: -1,
  retentionBytes: -1,
  flushPolicy,
  timestampType: 'create',
})

const root = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'millrace-log-bench-'))
const disk = nodeDisk()
installFastCrc32c()
try {
  for (const records of [600, 1]) {
    for (const flushPolicy of ['os', 'sync'] as const) await compareAppends(records, flushPolicy)
  }
  await compareReads()
} finally {
  rmSync(root, { recursive: true })
}

function batchOf(records: number): Uint8Array {
  const builder = new BatchBuilder({ bytesMax: MiB, compression: 'none', codec: null })
  const value = new Uint8Array(100).fill(120)
  for (let count = 0; count < records; count++) builder.tryAppend(null, value, null, 1_760_000_000_000)
  return builder.finish() as Uint8Array
}

/** A small tail cache: a fresh log would otherwise spend its time on the first touch of the cache's pages. */
function openBench(name: string, tailCacheBytesMax = 4 * MiB): Promise<LogManager> {
  return openLogManager({
    directory: join(root, name),
    disk,
    clock: systemClock,
    codecs: noCodecs,
    logger: silentLogger,
    tailCacheBytesMax,
    openFilesMax: 100,
    syncsInFlightMax: 2,
    unflushedBytesMax: 64 * MiB,
  })
}

async function compareAppends(records: number, flushPolicy: FlushPolicy): Promise<void> {
  const batch = batchOf(records)
  const turns = Math.ceil((records === 1 ? 2 * MiB : 64 * MiB) / (batch.length * appendsPerTurn))
  const turnsMax = flushPolicy === 'sync' ? Math.min(turns, 200) : turns
  const log: number[] = []
  const limit: number[] = []
  for (let round = 0; round < rounds; round++) {
    limit.push(await appendBare(`bare-${records}-${flushPolicy}-${round}`, batch, turnsMax, flushPolicy))
    log.push(await appendToLog(`log-${records}-${flushPolicy}-${round}`, batch, turnsMax, flushPolicy))
  }
  const bytes = turnsMax * appendsPerTurn * batch.length
  print(
    `append ${records} × 100 B, ${flushPolicy}`,
    bytes,
    (bytes / batch.length) * records,
    median(log),
    median(limit),
  )
}

/** Seconds. A turn's appends become durable by policy before the next turn begins, on both sides. */
async function appendToLog(name: string, batch: Uint8Array, turns: number, flushPolicy: FlushPolicy): Promise<number> {
  const manager = await openBench(name)
  const id = { topic: 'bench', topicId: 'AAAAAAAAAAAAAAAAAAAAAA', partition: 0 }
  const log = await manager.openLog(id, config(flushPolicy))
  const buffers = Array.from({ length: appendsPerTurn }, () => batch.slice())
  const startedMs = systemClock.nowMs()
  await new Promise<void>(resolve => {
    let turn = 0
    const runTurn = (): void => {
      if (turn++ === turns) resolve()
      else for (const buffer of buffers) log.append(buffer, epoch)
    }
    log.onProgress(() => {
      if (log.durableEndOffset === log.logEndOffset) runTurn()
    })
    runTurn()
  })
  const seconds = (systemClock.nowMs() - startedMs) / 1000
  await manager[Symbol.asyncDispose]()
  return seconds
}

async function appendBare(name: string, batch: Uint8Array, turns: number, flushPolicy: FlushPolicy): Promise<number> {
  const file = disk.open(join(root, name), { create: true })
  const buffers = Array.from({ length: appendsPerTurn }, () => batch.slice())
  const startedMs = systemClock.nowMs()
  for (let turn = 0; turn < turns; turn++) {
    file.write(buffers, turn * appendsPerTurn * batch.length)
    if (flushPolicy === 'sync') await file.sync()
    else await new Promise<void>(resolve => systemClock.defer(resolve))
  }
  const seconds = (systemClock.nowMs() - startedMs) / 1000
  file.close()
  return seconds
}

async function compareReads(): Promise<void> {
  const batch = batchOf(600)
  const manager = await openBench('read', 0)
  const id = { topic: 'bench', topicId: 'AAAAAAAAAAAAAAAAAAAAAA', partition: 0 }
  const log = await manager.openLog(id, config('os'))
  const count = Math.ceil((128 * MiB) / batch.length)
  for (let at = 0; at < count; at++) {
    log.append(batch.slice(), epoch)
    if (at % 16 === 15) await new Promise<void>(resolve => systemClock.defer(resolve))
  }
  await log.flush()
  const path = join(root, 'read', 'bench-0', '00000000000000000000.log')
  const checked: number[] = []
  const limit: number[] = []
  for (let round = 0; round < rounds; round++) {
    limit.push(await readBare(path))
    const startedMs = systemClock.nowMs()
    for (let fromOffset = 0; fromOffset < log.logEndOffset; ) {
      const found = await log.read({ fromOffset, endOffset: log.logEndOffset, maxBytes: MiB, minOneBatch: true })
      fromOffset += found.reduce((sum, view) => sum + view.length, 0) * (600 / batch.length)
    }
    checked.push((systemClock.nowMs() - startedMs) / 1000)
  }
  print('read from file, 1 MiB a time', count * batch.length, count * 600, median(checked), median(limit))
  await manager[Symbol.asyncDispose]()
}

async function readBare(path: string): Promise<number> {
  const file = disk.open(path, { create: false })
  const startedMs = systemClock.nowMs()
  for (let position = 0; position < file.sizeBytes(); ) position += await file.read(new Uint8Array(MiB), position)
  const seconds = (systemClock.nowMs() - startedMs) / 1000
  file.close()
  return seconds
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!
}

function print(name: string, bytes: number, records: number, logSeconds: number, limitSeconds: number): void {
  const rate = (seconds: number): string => `${(bytes / seconds / 1e6).toFixed(1).padStart(7)} MB/s`
  const perSecond = `${Math.round(records / logSeconds).toLocaleString('en')} records/s`
  const ratio = (limitSeconds / logSeconds).toFixed(2)
  console.log(
    `${name.padEnd(30)} ${rate(logSeconds)}  ${perSecond.padStart(22)}   limit ${rate(limitSeconds)}   ratio ${ratio}`,
  )
}
