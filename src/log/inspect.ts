/**
 * Looking at a data directory without a running node, read-only: what `millrace log dump` prints and `millrace log
 * verify` checks. Problems are data, so that one damaged file does not hide the next.
 */
import {
  type BatchHeader,
  batchHeaderBytes,
  crcRangeStart,
  endOffsetOf,
  headerFault,
  readBatchHeader,
} from '../protocol/batch/header.ts'
import { crc32c } from '../util/crc32c.ts'
import type { Offset } from '../util/numbers.ts'
import { decodeText } from './atomic-file.ts'
import type { Disk, DiskFile } from './disk.ts'
import { parseEpochs } from './epoch-history.ts'
import { toError } from './failures.ts'
import { readLogStart, readTopicId } from './log-files.ts'
import { fileName, parsePartitionDirectory, segmentBaseOffset, segmentName, suffix } from './paths.ts'
import { decodeEntries } from './sparse-index.ts'

export interface InspectedBatch {
  /** Byte of the file at which it begins. */
  readonly position: number
  readonly header: BatchHeader
  readonly isCrcValid: boolean
  /** The whole batch; empty when the file ends inside it. */
  readonly bytes: Uint8Array
  /** What is wrong with it, or `null`. After a fault that hides where the next batch begins nothing follows. */
  readonly fault: string | null
}

export interface InspectedEntry {
  /** Offset index: offset and the position of its batch. Time index: offset and its timestamp. */
  readonly offset: Offset
  readonly position?: number
  readonly timestamp?: number
}

export interface LogProblem {
  readonly path: string
  /** Byte in the file, or `null` when it concerns the file as a whole. */
  readonly position: number | null
  readonly problem: string
}

export interface PartitionReport {
  readonly directory: string
  readonly topicId: string | null
  readonly segments: number
  readonly batches: number
  readonly records: number
  readonly sizeBytes: number
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly problems: readonly LogProblem[]
}

/** Base offset that the name of a segment file states. Throws for another file. */
export function baseOffsetOf(path: string): Offset {
  const name = path.slice(path.lastIndexOf('/') + 1)
  for (const extension of [suffix.log, suffix.index, suffix.timeIndex]) {
    const offset = segmentBaseOffset(name, extension)
    if (offset !== null) return offset
  }
  throw new RangeError(`${path}: not the name of a segment file (20 digits, then .log, .index or .timeindex)`)
}

/** The batches of a `.log` file, one after the other. */
export async function* inspectBatches(disk: Disk, path: string): AsyncGenerator<InspectedBatch> {
  const file = disk.open(path, { create: false })
  try {
    const sizeBytes = file.sizeBytes()
    let expected: Offset = baseOffsetOf(path)
    for (let position = 0; position < sizeBytes; ) {
      const batch = await inspectBatch(file, position, sizeBytes, expected)
      yield batch
      if (batch.bytes.length === 0) return
      position += batch.bytes.length
      expected = endOffsetOf(batch.header)
    }
  } finally {
    file.close()
  }
}

/** The entries of an `.index` file. */
export function inspectIndex(disk: Disk, path: string): InspectedEntry[] {
  const base = baseOffsetOf(path)
  return decodeEntries(disk.readWhole(path), 8).map(({ key, value }) => ({ offset: base + key, position: value }))
}

/** The entries of a `.timeindex` file. */
export function inspectTimeIndex(disk: Disk, path: string): InspectedEntry[] {
  const base = baseOffsetOf(path)
  return decodeEntries(disk.readWhole(path), 12).map(({ key, value }) => ({ offset: base + value, timestamp: key }))
}

/**
 * Checks every partition of a data directory, one report each; or the one partition that `directory` is itself. Meant
 * for a node that is not running.
 */
export async function* verifyDirectory(disk: Disk, directory: string): AsyncGenerator<PartitionReport> {
  const names = disk.list(directory)
  if (names.some(name => segmentBaseOffset(name, suffix.log) !== null)) yield verifyPartition(disk, directory)
  for (const name of names) {
    const path = `${directory}/${name}`
    if (parsePartitionDirectory(name) !== null && disk.isDirectory(path)) yield verifyPartition(disk, path)
  }
}

/** Checks one partition directory: every batch, both indexes against the batches, the links and the small files. */
export async function verifyPartition(disk: Disk, directory: string): Promise<PartitionReport> {
  const problems: LogProblem[] = []
  const topicId = attempt(problems, `${directory}/${fileName.metadata}`, () => readTopicId(disk, directory))
  if (topicId === null) problems.push({ path: directory, position: null, problem: `no sound ${fileName.metadata}` })
  const startOffset = attempt(problems, `${directory}/${fileName.logStart}`, () => readLogStart(disk, directory)) ?? 0
  verifyEpochs(disk, directory, problems)
  const bases = disk.list(directory).map(name => segmentBaseOffset(name, suffix.log))
  const found = { segments: 0, batches: 0, records: 0, sizeBytes: 0 }
  let endOffset: Offset | null = null
  for (const base of bases.filter(each => each !== null)) {
    const stem = `${directory}/${segmentName(base)}`
    const due: Offset | null = endOffset ?? (base > startOffset ? startOffset : null)
    if (due !== null && due !== base) {
      problems.push({ path: stem + suffix.log, position: null, problem: `begins at ${base} where ${due} is due` })
    }
    const segment = await verifySegment(disk, stem, problems)
    found.segments++
    found.batches += segment.batches
    found.records += segment.records
    found.sizeBytes += disk.sizeOf(stem + suffix.log)
    endOffset = segment.endOffset
  }
  const logEndOffset = Math.max(endOffset ?? 0, startOffset)
  return { directory, topicId, ...found, logStartOffset: startOffset, logEndOffset, problems }
}

async function inspectBatch(
  file: DiskFile,
  position: number,
  sizeBytes: number,
  expected: Offset,
): Promise<InspectedBatch> {
  const head = new Uint8Array(batchHeaderBytes)
  head.set(await file.read(position, batchHeaderBytes))
  const header = readBatchHeader(head, 0)
  const none = new Uint8Array(0)
  if (position + batchHeaderBytes > sizeBytes) {
    return { position, header, isCrcValid: false, bytes: none, fault: 'the file ends inside a batch header' }
  }
  const structural = headerFault(header, null)
  if (structural !== null) return { position, header, isCrcValid: false, bytes: none, fault: structural }
  if (position + header.sizeBytes > sizeBytes) {
    return { position, header, isCrcValid: false, bytes: none, fault: 'the file ends inside the batch' }
  }
  const bytes = await file.read(position, header.sizeBytes)
  const isCrcValid = crc32c(bytes, crcRangeStart, bytes.length) === header.crc
  const fault = isCrcValid ? headerFault(header, expected) : 'the CRC does not match'
  return { position, header, isCrcValid, bytes, fault }
}

async function verifySegment(disk: Disk, stem: string, problems: LogProblem[]) {
  const path = stem + suffix.log
  /** Last offsets of the batches, with where each begins and its timestamp. */
  const ends = new Map<Offset, { position: number; maxTimestamp: number }>()
  let endOffset = baseOffsetOf(path)
  let records = 0
  for await (const { position, header, fault } of inspectBatches(disk, path)) {
    if (fault !== null) problems.push({ path, position, problem: fault })
    endOffset = endOffsetOf(header)
    records += header.recordCount
    ends.set(endOffset - 1, { position, maxTimestamp: header.maxTimestamp })
  }
  verifyIndex(disk, stem + suffix.index, 8, problems, () => {
    for (const entry of inspectIndex(disk, stem + suffix.index)) {
      if (ends.get(entry.offset)?.position !== entry.position) return entry.offset
    }
    return null
  })
  verifyIndex(disk, stem + suffix.timeIndex, 12, problems, () => {
    let previous = -1
    for (const entry of inspectTimeIndex(disk, stem + suffix.timeIndex)) {
      const { timestamp = -1, offset } = entry
      if (ends.get(offset)?.maxTimestamp !== timestamp || timestamp <= previous) return offset
      previous = timestamp
    }
    return null
  })
  return { batches: ends.size, records, endOffset }
}

function verifyIndex(
  disk: Disk,
  path: string,
  entryBytes: number,
  problems: LogProblem[],
  firstWrongEntry: () => Offset | null,
): void {
  if (!disk.exists(path)) return void problems.push({ path, position: null, problem: 'missing' })
  if (disk.sizeOf(path) % entryBytes !== 0) {
    problems.push({ path, position: disk.sizeOf(path), problem: `its size is no multiple of ${entryBytes}` })
  }
  const wrong = firstWrongEntry()
  if (wrong !== null) problems.push({ path, position: null, problem: `the entry for offset ${wrong} matches no batch` })
}

function verifyEpochs(disk: Disk, directory: string, problems: LogProblem[]): void {
  const path = `${directory}/${fileName.epochs}`
  if (!disk.exists(path) || parseEpochs(decodeText(disk.readWhole(path))) !== null) return
  problems.push({ path, position: null, problem: 'no sound checkpoint' })
}

function attempt<T>(problems: LogProblem[], path: string, work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    problems.push({ path, position: null, problem: toError(error).message })
    return null
  }
}
