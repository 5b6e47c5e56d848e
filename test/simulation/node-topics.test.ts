/**
 * Topics come and go while the node loses power at random points. Afterwards a topic whose creation was acknowledged is
 * there, one whose deletion was acknowledged does not come back, and a topic created anew under an old name has nothing
 * of the old one. `MILLRACE_TEST_SEEDS=from:to` runs other seeds.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTopics, deleteTopics, fetch, metadata, produce } from '../../src/protocol/apis/index.ts'
import { decodeBatch, splitBatches } from '../../src/protocol/batch/decoder.ts'
import { errorName } from '../../src/protocol/errors.ts'
import { MemoryStorageImage } from '../../src/raft-storage/memory-storage.ts'
import { SimDisk } from '../../src/simulation/sim-disk.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import type { Connection } from '../../src/transport/connection.ts'
import { type Random, seededRandom } from '../../src/util/random.ts'
import { batchOf } from '../broker/harness.ts'
import { seedRange } from '../support/depth.ts'
import { dataDirectory, Life } from './node-life.ts'

const names = ['a', 'b', 'a-0']
const livesPerSeed = 4
const stepsPerLife = 15
const codecs = { gzip: null, snappy: null, lz4: null, zstd: null }

/** What the client knows of one name. `unsure`: the last request about it was not answered. */
interface Known {
  topicId: string | null
  unsure: boolean
  /** Values acknowledged in the topic of that id, by offset; others may be there that were sent to it. */
  acknowledged: Map<number, string>
  sent: Set<string>
}

const nothingKnown = (): Known => ({ topicId: null, unsure: false, acknowledged: new Map(), sent: new Set() })

async function step(
  connection: Connection,
  known: Map<string, Known>,
  deleted: Set<string>,
  random: Random,
  value: string,
): Promise<void> {
  const name = names[random.nextInt(names.length)]!
  const topic = known.get(name)!
  const timeoutMs = 30_000
  if (topic.topicId === null) {
    topic.unsure = true
    const asked = { name, numPartitions: 1, replicationFactor: 1, assignments: null, configs: [] }
    const response = await connection.request(createTopics, {
      session: null,
      timeoutMs,
      validateOnly: false,
      topics: [asked],
    })
    assert.equal(errorName(response.topics[0]!.errorCode), null)
    known.set(name, { ...nothingKnown(), topicId: response.topics[0]!.topicId })
  } else if (random.nextInt(4) === 0) {
    topic.unsure = true
    const response = await connection.request(deleteTopics, {
      session: null,
      timeoutMs,
      topics: [{ name, topicId: null }],
    })
    assert.equal(errorName(response.topics[0]!.errorCode), null)
    deleted.add(topic.topicId)
    known.set(name, nothingKnown())
  } else {
    topic.sent.add(value)
    const item = {
      topic: name,
      topicId: topic.topicId,
      partition: 0,
      leaderEpoch: -1,
      sendEpoch: -1,
      records: batchOf([value]),
    }
    const response = await connection.request(produce, { acks: -1, timeoutMs, partitions: [item] })
    assert.equal(errorName(response.partitions[0]!.errorCode), null)
    topic.acknowledged.set(response.partitions[0]!.baseOffset, value)
  }
}

async function valuesOf(connection: Connection, name: string): Promise<string[]> {
  const place = { topic: name, topicId: null, partition: 0, leaderEpoch: -1, fetchOffset: 0 }
  const item = { ...place, maxBytes: 1 << 20, lastFetchedEpoch: -1 }
  const limits = {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1 << 20,
    isolationLevel: 0,
    format: 'batches' as const,
    rack: null,
  }
  const response = await connection.request(fetch, { ...limits, partitions: [item] })
  assert.equal(errorName(response.partitions[0]!.errorCode), null)
  return splitBatches(response.partitions[0]!.records as Uint8Array).flatMap(batch => {
    const records = decodeBatch(batch, codecs)
    assert.ok(Array.isArray(records))
    return records.map(record => new TextDecoder().decode(record.value!))
  })
}

/** Compares what is there with what the client knows, and learns what it was not sure of. */
async function verify(connection: Connection, known: Map<string, Known>): Promise<void> {
  const { topics } = await connection.request(metadata, {
    topics: null,
    allowAutoTopicCreation: false,
    readTimeoutMs: 0,
  })
  const found = new Map(topics.map(topic => [topic.name, topic.topicId]))
  for (const name of names) {
    const topic = known.get(name)!
    const topicId = found.get(name) ?? null
    if (!topic.unsure) assert.equal(topicId, topic.topicId, `topic ${name}`)
    if (topicId !== topic.topicId) known.set(name, { ...nothingKnown(), topicId })
    topic.unsure = false
    if (topicId === null) continue
    const expected = known.get(name)!
    const values = await valuesOf(connection, name)
    for (const [offset, value] of expected.acknowledged) assert.equal(values[offset], value, `${name} at ${offset}`)
    assert.equal(new Set(values).size, values.length, 'nothing is there twice')
    for (const value of values) assert.ok(expected.sent.has(value), `${value} was not sent to this ${name}`)
  }
}

async function runSeed(seed: number): Promise<{ crashes: number; recreated: number }> {
  const random = seededRandom(seed)
  const clock = new VirtualClock()
  const raft = new MemoryStorageImage()
  const known = new Map(names.map(name => [name, nothingKnown()]))
  let disk = new SimDisk({ clock, syncDelayMs: random.nextInt(2) })
  let crashes = 0
  let sent = 0
  const idsSeen = new Set<string>()
  /** Ids of topics whose deletion was acknowledged. */
  const deleted = new Set<string>()
  for (let lifeNumber = 0; lifeNumber <= livesPerSeed; lifeNumber++) {
    const isLast = lifeNumber === livesPerSeed
    if (!isLast) disk.crashAtOperation = disk.operationCount + 1 + random.nextInt(200)
    const life = new Life({ disk, clock, metadata: raft, seed: seed + lifeNumber })
    const connection = await life.open()
    if (connection !== null) {
      await life.run(async () => {
        await verify(connection, known)
        for (let i = 0; i < stepsPerLife; i++) await step(connection, known, deleted, random, `v${sent++}`)
        if (isLast) await verify(connection, known)
      })
      for (const { topicId } of known.values()) if (topicId !== null) idsSeen.add(topicId)
    }
    for (const stray of strays(disk)) {
      const isOf = (topicId: string): boolean => stray.includes(`.${topicId}`)
      assert.ok(
        ![...known.values()].some(({ topicId }) => topicId !== null && isOf(topicId)),
        'what exists is no stray',
      )
      assert.ok(![...deleted].some(isOf), 'an acknowledged deletion leaves nothing behind')
    }
    if (isLast) break
    if (life.isOver) crashes += 1
    disk = disk.crash(random)
  }
  return { crashes, recreated: idsSeen.size - names.length }
}

/** What a deletion that was cut short left: set aside at the next start. */
function strays(disk: SimDisk): string[] {
  return disk.hasCrashed ? [] : disk.list(dataDirectory).filter(name => name.endsWith('-stray'))
}

test('topics created, deleted and created anew under power loss', async t => {
  const { from, to } = seedRange(60)
  const totals = { crashes: 0, recreated: 0 }
  for (let seed = from; seed <= to; seed++) {
    try {
      const { crashes, recreated } = await runSeed(seed)
      totals.crashes += crashes
      totals.recreated += Math.max(0, recreated)
    } catch (error) {
      throw new Error(`seed ${seed}: MILLRACE_TEST_SEEDS=${seed} replays it\n${(error as Error).stack}`, {
        cause: error,
      })
    }
  }
  t.diagnostic(JSON.stringify(totals))
  assert.ok(totals.crashes > to - from && totals.recreated > 0, 'the runs met what they are for')
})
