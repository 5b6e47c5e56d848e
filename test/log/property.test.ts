/** The log against a list: random appends, reads, truncations, deletions, retention and restarts on a tiny disk. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { PartitionLog, ReadRequest } from '../../src/log/types.ts'
import { memoryDisk } from '../../src/platform/memory-disk.ts'
import { splitBatches } from '../../src/protocol/batch/decoder.ts'
import { endOffsetOf, patchBatch, readBatchHeader } from '../../src/protocol/batch/header.ts'
import { concatBytes } from '../../src/util/bytes.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'
import { runs } from '../support/depth.ts'
import { batchOf, type OpenLog, openOne, readAll, readBatches } from './support.ts'

interface Batch {
  readonly base: number
  readonly end: number
  readonly epoch: number
  readonly timestamp: number
  readonly bytes: Uint8Array
}

class Model {
  batches: Batch[] = []
  start = 0
  end = 0
  epoch = 0
  /** Of a reader that goes on where it ended. */
  position = 0
}

type Step =
  | { kind: 'append'; records: number; valueBytes: number; timestamp: number; count: number }
  | { kind: 'replicate'; records: readonly number[]; valueBytes: number }
  | { kind: 'read'; from: number; to: number; maxBytes: number; minOneBatch: boolean }
  | { kind: 'readOn'; limits: readonly number[]; to: number }
  | { kind: 'lookUp'; timestamp: number }
  | { kind: 'truncate' | 'delete' | 'restartAt'; at: number }
  | { kind: 'retain' | 'epoch' | 'flush' | 'restart' | 'kill' | 'checkpoint' }

const share = fc.double({ min: 0, max: 1, noNaN: true })
const appendStep = fc.record({
  kind: fc.constant('append' as const),
  records: fc.integer({ min: 1, max: 4 }),
  valueBytes: fc.integer({ min: 0, max: 300 }),
  timestamp: fc.integer({ min: 0, max: 5000 }),
  count: fc.integer({ min: 1, max: 3 }),
})
const replicateStep = fc.record({
  kind: fc.constant('replicate' as const),
  records: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
  valueBytes: fc.integer({ min: 0, max: 300 }),
})
const readStep = fc.record({
  kind: fc.constant('read' as const),
  from: share,
  to: share,
  maxBytes: fc.integer({ min: 1, max: 3000 }),
  minOneBatch: fc.boolean(),
})
const readOnStep = fc.record({
  kind: fc.constant('readOn' as const),
  limits: fc.array(fc.integer({ min: 100, max: 1500 }), { minLength: 1, maxLength: 4 }),
  to: share,
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: appendStep, weight: 10 },
  { arbitrary: replicateStep, weight: 4 },
  {
    arbitrary: fc.record({ kind: fc.constant('restartAt' as const), at: fc.double({ min: 0, max: 1.5, noNaN: true }) }),
    weight: 1,
  },
  { arbitrary: readStep, weight: 6 },
  { arbitrary: readOnStep, weight: 6 },
  {
    arbitrary: fc.record({ kind: fc.constant('lookUp' as const), timestamp: fc.integer({ min: 0, max: 5200 }) }),
    weight: 2,
  },
  { arbitrary: fc.record({ kind: fc.constantFrom('truncate' as const, 'delete' as const), at: share }), weight: 2 },
  {
    arbitrary: fc.record({
      kind: fc.constantFrom('retain', 'epoch', 'flush', 'restart', 'kill', 'checkpoint'),
    }) as fc.Arbitrary<Step>,
    weight: 4,
  },
)

const config = { segmentBytes: 1200, indexIntervalBytes: 200, retentionBytes: 3000, segmentIndexBytes: 40 }
const options = { tailCacheBytesMax: 900, openFilesMax: 3 }

for (const flushPolicy of ['sync', 'os'] as const) {
  test(`${flushPolicy}: the log behaves as a list`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async steps => {
        const disk = memoryDisk()
        const model = new Model()
        let opened = await openOne(disk, { ...config, flushPolicy }, options)
        for (const each of steps) {
          if (each.kind === 'restart') await opened.manager[Symbol.asyncDispose]()
          if (each.kind === 'restart' || each.kind === 'kill') {
            // A killed process leaves everything it wrote; what was still in memory it never acknowledged.
            if (each.kind === 'kill') await opened.log.flush()
            opened = await openOne(disk, { ...config, flushPolicy }, options)
          } else await perform(opened, model, each)
          compare(opened.log, model)
        }
        await compareContents(opened.log, model)
      }),
      { numRuns: runs(150) },
    )
  })
}

async function perform({ log, manager }: OpenLog, model: Model, each: Step): Promise<void> {
  if (each.kind === 'append') append(log, model, each)
  else if (each.kind === 'replicate') replicate(log, model, each)
  else if (each.kind === 'restartAt') await restartAt(log, model, Math.round(each.at * model.end))
  else if (each.kind === 'read') await read(log, model, each)
  else if (each.kind === 'readOn') await readOn(log, model, each)
  else if (each.kind === 'lookUp') await lookUp(log, model, each.timestamp)
  else if (each.kind === 'truncate') await truncate(log, model, offsetAt(model, each.at))
  else if (each.kind === 'delete') {
    await log.advanceLogStart(offsetAt(model, each.at))
    model.start = Math.max(model.start, offsetAt(model, each.at))
  } else if (each.kind === 'retain') {
    await log.flush()
    await log.applyRetention(0, log.logEndOffset)
    assert.ok(
      log.logStartOffset === model.start || log.sizeBytes >= config.retentionBytes,
      'retention keeps what it must',
    )
    // A segment holds `segmentBytes` or a single larger batch.
    assert.ok(log.sizeBytes < config.retentionBytes + 1600, 'and not much more')
    model.start = Math.max(model.start, log.logStartOffset)
  } else if (each.kind === 'epoch') model.epoch++
  else if (each.kind === 'checkpoint') await manager.checkpoint()
  else await log.flush()
}

function append(log: PartitionLog, model: Model, shape: Extract<Step, { kind: 'append' }>): void {
  for (let count = shape.count; count > 0; count--) {
    const bytes = batchOf({ ...shape, fill: model.end })
    const { baseOffset, endOffset } = log.append(bytes, toLeaderEpoch(model.epoch))
    assert.deepEqual([baseOffset, endOffset], [model.end, model.end + shape.records])
    const { epoch } = model
    model.batches.push({ base: baseOffset, end: endOffset, epoch, timestamp: shape.timestamp, bytes: bytes.slice() })
    model.end = endOffset
  }
}

/** Each batch in an epoch of its own. */
function replicate(
  log: PartitionLog,
  model: Model,
  { records, valueBytes }: Extract<Step, { kind: 'replicate' }>,
): void {
  const batches = records.map(count => {
    const bytes = batchOf({ records: count, valueBytes, timestamp: 1000, fill: model.end })
    const epoch = ++model.epoch
    patchBatch(bytes, 0, model.end, epoch)
    model.batches.push({ base: model.end, end: model.end + count, epoch, timestamp: 1000, bytes })
    model.end += count
    return bytes
  })
  log.appendReplicated(concatBytes(batches))
}

async function restartAt(log: PartitionLog, model: Model, offset: number): Promise<void> {
  await log.restartAt(offset, 'test')
  model.batches = []
  model.start = model.end = offset
}

async function read(log: PartitionLog, model: Model, request: Extract<Step, { kind: 'read' }>): Promise<void> {
  const { from, to, maxBytes, minOneBatch } = request
  const [fromOffset, endOffset] = [offsetAt(model, from), offsetAt(model, to)]
  await readChecked(log, model, { fromOffset, endOffset, maxBytes, minOneBatch })
}

/** What it asks for next may have been read ahead, before all that happened since. */
async function readOn(log: PartitionLog, model: Model, request: Extract<Step, { kind: 'readOn' }>): Promise<void> {
  const endOffset = offsetAt(model, request.to)
  if (model.position < model.start || model.position >= model.end) model.position = model.start
  for (const maxBytes of request.limits) {
    const asked = { fromOffset: model.position, endOffset, maxBytes, minOneBatch: true }
    const found = await readChecked(log, model, asked)
    const last = found.at(-1)
    if (last !== undefined) model.position = endOffsetOf(readBatchHeader(last, 0))
    log.readAhead(model.position, maxBytes)
  }
}

/** Reads, and compares with the model. */
async function readChecked(log: PartitionLog, model: Model, asked: ReadRequest): Promise<Uint8Array[]> {
  const { fromOffset, endOffset, maxBytes, minOneBatch } = asked
  // Before the read, which may take a turn.
  const views = log.readViews(asked)
  const viewed = views?.flatMap(view => splitBatches(view)).map(batch => batch.slice())
  const found = await readBatches(log, asked)
  if (viewed !== undefined) assert.deepEqual(viewed, found, 'views show what a read copies')
  const eligible = model.batches.filter(batch => batch.end > fromOffset && batch.end <= endOffset)
  const wanted = eligible.slice(0, found.length).map(batch => batch.bytes)
  assert.deepEqual(found, wanted, 'the batches from the one that holds the offset on')
  const size = found.reduce((sum, batch) => sum + batch.length, 0)
  assert.ok(size <= maxBytes || (minOneBatch && found.length === 1), 'within the limit')
  const first = eligible[0]
  if (first !== undefined && fromOffset < endOffset && (minOneBatch || first.bytes.length <= maxBytes)) {
    assert.ok(found.length > 0, 'progress is made')
  }
  return found
}

async function lookUp(log: PartitionLog, model: Model, timestamp: number): Promise<void> {
  const found = await log.offsetForTimestamp(timestamp, log.logEndOffset)
  const batch = model.batches.find(each => each.timestamp >= timestamp && each.end > model.start)
  assert.equal(found?.offset ?? null, batch === undefined ? null : Math.max(batch.base, model.start))
  assert.equal(found?.leaderEpoch ?? null, batch?.epoch ?? null)
}

async function truncate(log: PartitionLog, model: Model, offset: number): Promise<void> {
  await log.truncateTo(offset, 'test')
  model.batches = model.batches.filter(batch => batch.end <= offset)
  // With a batch that straddles the log start everything goes.
  if (offset < model.end) model.end = Math.max(model.start, model.batches.at(-1)?.end ?? 0)
}

function offsetAt(model: Model, at: number): number {
  return model.start + Math.round(at * (model.end - model.start))
}

function compare(log: PartitionLog, model: Model): void {
  assert.equal(log.failure, null)
  assert.equal(log.logEndOffset, model.end)
  assert.equal(log.logStartOffset, model.start)
  assert.ok(log.durableEndOffset <= log.logEndOffset)
}

async function compareContents(log: PartitionLog, model: Model): Promise<void> {
  const found = await readAll(log)
  const live = model.batches.filter(batch => batch.end > model.start)
  assert.deepEqual(
    found,
    live.map(batch => batch.bytes),
  )
  for (const { epoch, end } of live) {
    const last = model.batches.findLast(batch => batch.epoch <= epoch)!
    assert.equal(log.endOffsetForEpoch(toLeaderEpoch(epoch))?.endOffset, last.end, `end of epoch ${epoch} at ${end}`)
    assert.equal(log.epochAt(end - 1), epoch, `epoch of the record at ${end - 1}`)
  }
  const headers = splitBatches(Buffer.concat(found)).map(batch => readBatchHeader(batch, 0))
  assert.ok(headers.every((header, at) => at === 0 || header.baseOffset > headers[at - 1]!.baseOffset))
}
