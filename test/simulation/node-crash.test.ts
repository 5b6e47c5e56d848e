/**
 * A whole node loses power at random points while it takes records with acks=all: between any two operations of its
 * disk, with what was not synced lost, kept or torn. After every restart each acknowledged record must be at its offset,
 * and every record there must be one that was sent, once. The same for a process that is killed under flush policy `os`;
 * and as a control, `os` under power loss, which must be seen to lose. `MILLRACE_TEST_SEEDS=from:to` runs other seeds.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { FlushPolicy } from '../../src/log/types.ts'
import { createTopics, fetch, listOffsets, produce } from '../../src/protocol/apis/index.ts'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { decodeBatch, splitBatches } from '../../src/protocol/batch/decoder.ts'
import { MemoryStorageImage } from '../../src/raft-storage/memory-storage.ts'
import { SimDisk } from '../../src/simulation/sim-disk.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import type { Connection } from '../../src/transport/connection.ts'
import { seededRandom } from '../../src/util/random.ts'
import { seedRange } from '../support/depth.ts'
import { Life } from './node-life.ts'

const topic = 't'
const partitionCount = 2
const livesPerSeed = 4
const batchesPerLife = 40

interface Sent {
  readonly partition: number
  readonly values: readonly string[]
}

/** What the client knows: everything it sent, and where what was acknowledged must be. */
class Recorder {
  readonly sent = new Map<string, Sent>()
  readonly acknowledged = Array.from({ length: partitionCount }, () => new Map<number, string>())
  topicIsAcknowledged = false
  #next = 0

  newBatch(partition: number, count: number): Sent {
    const values = Array.from({ length: count }, () => `v${this.#next++}`)
    const sent = { partition, values }
    for (const value of values) this.sent.set(value, sent)
    return sent
  }

  acknowledge({ partition, values }: Sent, baseOffset: number): void {
    for (const [index, value] of values.entries()) this.acknowledged[partition]!.set(baseOffset + index, value)
  }

  get acknowledgedCount(): number {
    return this.acknowledged.reduce((sum, offsets) => sum + offsets.size, 0)
  }
}

const codecs = { gzip: null, snappy: null, lz4: null, zstd: null }

function batchOf(values: readonly string[], padding: number): Uint8Array {
  const builder = new BatchBuilder({ bytesMax: 1 << 20, compression: 'none', codec: null })
  for (const value of values) assert.ok(builder.tryAppend(value, 'x'.repeat(padding), null, 1_700_000_000_000))
  return builder.finish() as Uint8Array
}

async function createTopic(connection: Connection, recorder: Recorder, flushPolicy: FlushPolicy): Promise<void> {
  const configs = [
    { key: 'flush.policy', value: flushPolicy },
    { key: 'segment.bytes', value: '4096' },
    { key: 'index.interval.bytes', value: '512' },
  ]
  const newTopic = { name: topic, numPartitions: partitionCount, replicationFactor: 1, assignments: null, configs }
  const body = { session: null, timeoutMs: 30_000, validateOnly: false, topics: [newTopic] }
  const { topics } = await connection.request(createTopics, body)
  // TOPIC_ALREADY_EXISTS: the life before ended between the decision and its answer.
  assert.ok(topics[0]!.errorCode === 0 || topics[0]!.errorCode === 36, `createTopics: ${topics[0]!.errorMessage}`)
  recorder.topicIsAcknowledged = true
}

/** Keeps a few batches in flight, of different sizes, over all partitions. */
async function produceAll(
  connection: Connection,
  recorder: Recorder,
  random: ReturnType<typeof seededRandom>,
): Promise<void> {
  const inFlight = new Set<Promise<void>>()
  for (let i = 0; i < batchesPerLife; i++) {
    const sent = recorder.newBatch(random.nextInt(partitionCount), 1 + random.nextInt(4))
    const records = batchOf(sent.values, random.nextInt(600))
    const partitions = [{ topic, topicId: null, partition: sent.partition, leaderEpoch: -1, sendEpoch: -1, records }]
    const answered = connection.request(produce, { acks: -1, timeoutMs: 30_000, partitions }).then(response => {
      const { errorCode, errorMessage, baseOffset } = response.partitions[0]!
      assert.equal(errorCode, 0, `produce: ${errorMessage}`)
      recorder.acknowledge(sent, baseOffset)
    })
    const counted = answered.finally(() => inFlight.delete(counted))
    inFlight.add(counted)
    while (inFlight.size > random.nextInt(6)) await Promise.race(inFlight)
  }
  await Promise.all(inFlight)
}

async function readAll(connection: Connection, partition: number): Promise<{ offset: number; value: string }[]> {
  const place = { topic, topicId: null, partition, leaderEpoch: -1 }
  const listed = await connection.request(listOffsets, { isolationLevel: 0, partitions: [{ ...place, timestamp: -1 }] })
  const endOffset = listed.partitions[0]!.offset
  const records: { offset: number; value: string }[] = []
  for (let fetchOffset = 0; fetchOffset < endOffset; ) {
    const partitions = [{ ...place, fetchOffset, maxBytes: 3_000, lastFetchedEpoch: -1 }]
    const limits = {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1 << 20,
      isolationLevel: 0,
      format: 'batches' as const,
      rack: null,
    }
    const response = await connection.request(fetch, { ...limits, partitions })
    const { errorCode, errorMessage, records: found } = response.partitions[0]!
    assert.equal(errorCode, 0, `fetch: ${errorMessage}`)
    for (const batch of splitBatches(found as Uint8Array)) {
      const decoded = decodeBatch(batch, codecs)
      assert.ok(Array.isArray(decoded))
      for (const { offset, key } of decoded) records.push({ offset, value: new TextDecoder().decode(key!) })
    }
    const last = records.at(-1)
    assert.ok(last !== undefined && last.offset >= fetchOffset, 'a fetch below the end finds something')
    fetchOffset = last.offset + 1
  }
  return records
}

async function verify(connection: Connection, recorder: Recorder): Promise<void> {
  const seen = new Set<string>()
  for (let partition = 0; partition < partitionCount; partition++) {
    const records = await readAll(connection, partition)
    const byOffset = new Map(records.map(({ offset, value }) => [offset, value]))
    for (const [index, { offset, value }] of records.entries()) {
      assert.equal(offset, index, 'offsets are dense')
      assert.equal(recorder.sent.get(value)?.partition, partition, `${value} was never sent here`)
      assert.ok(!seen.has(value), `${value} is there twice`)
      seen.add(value)
    }
    for (const [offset, value] of recorder.acknowledged[partition]!) {
      assert.equal(byOffset.get(offset), value, `acknowledged at ${partition}/${offset}`)
    }
  }
}

interface Scenario {
  readonly flushPolicy: FlushPolicy
  readonly end: 'power loss' | 'kill'
}

interface Totals {
  crashes: number
  acknowledged: number
  /** Crashes while records were in flight, seen by sent records that were never acknowledged. */
  unacknowledged: number
}

async function runSeed(seed: number, totals: Totals, { flushPolicy, end }: Scenario): Promise<void> {
  const random = seededRandom(seed)
  const recorder = new Recorder()
  const metadata = new MemoryStorageImage()
  // Some disks take their time, so that a crash finds syncs under way.
  const syncDelayMs = random.nextInt(3)
  const clock = new VirtualClock()
  let disk = new SimDisk({ clock, syncDelayMs })
  for (let life = 0; life <= livesPerSeed; life++) {
    const isLast = life === livesPerSeed
    if (!isLast) disk.crashAtOperation = disk.operationCount + 1 + random.nextInt(random.nextInt(3) === 0 ? 40 : 400)
    const node = new Life({ disk, clock, metadata, seed: seed + life })
    const connection = await node.open()
    if (connection !== null) {
      await node.run(async () => {
        if (recorder.topicIsAcknowledged) await verify(connection, recorder)
        else await createTopic(connection, recorder, flushPolicy)
        await produceAll(connection, recorder, random)
        if (isLast) await verify(connection, recorder)
      })
    }
    if (isLast) break
    if (node.isOver) totals.crashes += 1
    disk = end === 'power loss' ? disk.crash(random) : disk.kill()
  }
  totals.acknowledged += recorder.acknowledgedCount
  totals.unacknowledged += recorder.sent.size - recorder.acknowledgedCount
}

const noTotals = (): Totals => ({ crashes: 0, acknowledged: 0, unacknowledged: 0 })

describe('node crash', () => {
  const { from, to } = seedRange(100)
  const scenarios: Scenario[] = [
    { flushPolicy: 'sync', end: 'power loss' },
    { flushPolicy: 'os', end: 'kill' },
  ]

  for (const scenario of scenarios) {
    const { flushPolicy, end } = scenario
    test(`${flushPolicy}, ${end}: nothing acknowledged is lost, nothing invented: seeds ${from} to ${to}`, async t => {
      const totals = noTotals()
      for (let seed = from; seed <= to; seed++) {
        try {
          await runSeed(seed, totals, scenario)
        } catch (error) {
          throw new Error(`seed ${seed}: MILLRACE_TEST_SEEDS=${seed} replays it\n${(error as Error).stack}`, {
            cause: error,
          })
        }
      }
      t.diagnostic(JSON.stringify(totals))
      assert.ok(totals.crashes > to - from, 'nodes ended in the middle')
      assert.ok(totals.acknowledged > 0 && totals.unacknowledged > 0, 'some records were acknowledged, some were not')
    })
  }

  test('control: under `os` a power loss loses acknowledged records, and this test sees it', async () => {
    let losses = 0
    for (let seed = 1; seed <= 10; seed++) {
      await runSeed(seed, noTotals(), { flushPolicy: 'os', end: 'power loss' }).catch((error: Error) => {
        if (error.message.includes('acknowledged at')) losses += 1
        else throw error
      })
    }
    assert.ok(losses > 0)
  })
})
