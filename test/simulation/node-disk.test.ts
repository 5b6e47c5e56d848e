/** A whole node on a disk that fills up, fails to sync, or stands still: what it tells its clients, and what is true afterwards. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createTopics, listOffsets, produce } from '../../src/protocol/apis/index.ts'
import { type ErrorName, errorName } from '../../src/protocol/errors.ts'
import { MemoryStorageImage } from '../../src/raft-storage/memory-storage.ts'
import { SimDisk } from '../../src/simulation/sim-disk.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import type { Connection } from '../../src/transport/connection.ts'
import { StorageError } from '../../src/util/errors.ts'
import { MiB } from '../../src/util/units.ts'
import { batchOf } from '../broker/harness.ts'
import { Life } from './node-life.ts'

interface Ground {
  readonly clock: VirtualClock
  readonly disk: SimDisk
  readonly metadata: MemoryStorageImage
}

function ground(capacityBytes?: number): Ground {
  const clock = new VirtualClock()
  const disk = new SimDisk({ clock, syncDelayMs: 1, ...(capacityBytes === undefined ? {} : { capacityBytes }) })
  return { clock, disk, metadata: new MemoryStorageImage() }
}

async function openWithTopics(on: Ground, names: readonly string[]): Promise<{ life: Life; connection: Connection }> {
  const life = new Life({ ...on, seed: 1 })
  const connection = (await life.open())!
  const topic = { numPartitions: 1, replicationFactor: 1, assignments: null, configs: [] }
  const topics = names.map(name => ({ name, ...topic }))
  await life.run(() =>
    connection.request(createTopics, { session: null, timeoutMs: 30_000, validateOnly: false, topics }),
  )
  return { life, connection }
}

async function send(
  connection: Connection,
  topic: string,
  sizeBytes = 10,
): Promise<{ error: ErrorName | null; offset: number }> {
  const records = batchOf(['x'.repeat(sizeBytes)])
  const partitions = [{ topic, topicId: null, partition: 0, leaderEpoch: -1, sendEpoch: -1, records }]
  const response = await connection.request(produce, { acks: -1, timeoutMs: 5_000, partitions })
  const { errorCode, baseOffset } = response.partitions[0]!
  return { error: errorName(errorCode), offset: baseOffset }
}

async function endOffset(connection: Connection, topic: string): Promise<number> {
  const partitions = [{ topic, topicId: null, partition: 0, leaderEpoch: -1, timestamp: -1 }]
  return (await connection.request(listOffsets, { isolationLevel: 0, partitions })).partitions[0]!.offset
}

describe('a full disk', () => {
  test('refuses by name, loses nothing, takes records again when there is room, and after a restart too', async () => {
    const on = ground(40 * MiB)
    const { life, connection } = await openWithTopics(on, ['t'])
    let acknowledged = 0
    const fill = await life.run(async () => {
      for (;;) {
        const { error, offset } = await send(connection, 't', 900_000)
        if (error !== null) return error
        assert.equal(offset, acknowledged++)
      }
    })
    assert.equal(fill, 'DISK_FULL')
    assert.ok(acknowledged > 0)
    on.disk.capacityBytes = 400 * MiB
    const again = await life.run(async () => {
      for (;;) {
        const result = await send(connection, 't')
        if (result.error === null) return result.offset
        assert.equal(result.error, 'DISK_FULL')
        await new Promise<void>(resolve => on.clock.setTimer(1_000, resolve))
      }
    })
    assert.equal(again, acknowledged, 'no offset was skipped or given twice')
    assert.equal(life.fatal, null)
    const next = new Life({ ...on, disk: on.disk.kill(), seed: 2 })
    const reopened = (await next.open())!
    assert.equal(await next.run(() => endOffset(reopened, 't')), acknowledged + 1)
  })
})

describe('a sync that fails', () => {
  test('ends the node at once; what was not acknowledged before is never acknowledged', async () => {
    const on = ground()
    const { life, connection } = await openWithTopics(on, ['t', 'u'])
    assert.deepEqual(await life.run(() => send(connection, 't')), { error: null, offset: 0 })
    on.disk.intercept = ({ kind, path }) => (kind === 'sync' && path.includes('/t-0/') ? 'EIO' : null)
    const outcomes: unknown[] = []
    await assert.rejects(
      life.run(() => send(connection, 't').then(outcome => outcomes.push(outcome))),
      StorageError,
    )
    assert.deepEqual(outcomes, [])
    assert.ok(life.fatal instanceof StorageError)
    const next = new Life({ ...on, disk: on.disk.kill(), seed: 2 })
    const reopened = (await next.open())!
    const end = await next.run(() => endOffset(reopened, 't'))
    assert.ok(end === 1 || end === 2, 'the record acknowledged is there; the other may be')
  })
})

describe('a disk that stands still', () => {
  test('a produce to it times out, one to another log goes through', async () => {
    const on = ground()
    const { life, connection } = await openWithTopics(on, ['slow', 'fast'])
    on.disk.intercept = ({ kind, path }) => (kind === 'sync' && path.includes('/slow-0/') ? 'hang' : null)
    const results = await life.run(() => Promise.all([send(connection, 'slow'), send(connection, 'fast')]))
    assert.deepEqual(
      results!.map(r => r.error),
      ['REQUEST_TIMED_OUT', null],
    )
    assert.equal(await life.run(() => endOffset(connection, 'slow')), 0)
  })
})
