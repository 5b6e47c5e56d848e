import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fetch, produce } from '../../src/protocol/apis/index.ts'
import { limits } from '../../src/protocol/common.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import { CorruptionError } from '../../src/util/errors.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'
import {
  batchCounts,
  batchOf,
  errorsOf,
  fetchRequest,
  type Harness,
  isSettled,
  openHarness,
  other,
  partitionImage,
  produceRequest,
  self,
  topicImage,
  turn,
} from './harness.ts'

const threePartitions = topicImage('t', { partitions: [partitionImage(), partitionImage(), partitionImage()] })

async function fill(h: Harness, partition: number, ...batches: string[][]): Promise<void> {
  for (const values of batches) {
    const answer = h.call(produce, produceRequest({ partitions: [{ partition, records: batchOf(values) }] }))
    h.log('t', partition).flushed()
    assert.deepEqual(errorsOf(await answer), [null])
  }
}

describe('limits', () => {
  test('several partitions in the order of the request, each with its own limit, the first batch whole', async () => {
    const h = await openHarness({ topics: [threePartitions] })
    await fill(h, 0, ['a'], ['b'])
    await fill(h, 1, ['c'], ['d'], ['e'])
    const size = batchOf(['a']).length
    const partitions = [{ partition: 1, maxBytes: 2 * size }, { partition: 0 }, { partition: 2 }]
    const response = await h.call(fetch, fetchRequest({ partitions }))
    assert.deepEqual(batchCounts(response), [2, 2, 0])
    assert.deepEqual(
      response!.partitions.map(p => [p.partition, p.highWatermark, p.logStartOffset]),
      [
        [1, 3, 0],
        [0, 2, 0],
        [2, 0, 0],
      ],
    )
    assert.equal(h.broker.stats.bytesOut, 4 * size)
    const small = await h.call(fetch, fetchRequest({ partitions: [{ partition: 0, maxBytes: 1 }] }))
    assert.deepEqual(batchCounts(small), [1])
  })

  test('the limit of the whole answer holds over partitions, and no partition starves', async () => {
    const h = await openHarness({ topics: [threePartitions] })
    for (const partition of [0, 1, 2]) await fill(h, partition, ['a'], ['b'])
    const maxBytes = 2 * batchOf(['a']).length
    const served = new Set<number>()
    for (let i = 0; i < 50; i++) {
      const counts = batchCounts(
        await h.call(fetch, fetchRequest({ maxBytes, partitions: [{}, { partition: 1 }, { partition: 2 }] })),
      )
      assert.equal(
        counts.reduce((sum, count) => sum + count),
        2,
      )
      served.add(counts.indexOf(2))
    }
    assert.deepEqual([...served].sort(), [0, 1, 2])
  })

  test('reading goes on in the middle of the log', async () => {
    const h = await openHarness()
    await fill(h, 0, ['a', 'b'], ['c'], ['d'])
    assert.deepEqual(batchCounts(await h.call(fetch, fetchRequest({ partitions: [{ fetchOffset: 1 }] }))), [3])
    assert.deepEqual(batchCounts(await h.call(fetch, fetchRequest({ partitions: [{ fetchOffset: 2 }] }))), [2])
  })

  test('a negative limit is refused', async () => {
    const h = await openHarness()
    await assert.rejects(h.call(fetch, fetchRequest({ maxBytes: -1 })), { code: 'INVALID_FETCH_SIZE' })
    assert.deepEqual(errorsOf(await h.call(fetch, fetchRequest({ partitions: [{ maxBytes: -1 }] }))), [
      'INVALID_FETCH_SIZE',
    ])
  })
})

describe('long poll', () => {
  test('waits for minBytes over several partitions and is woken by their high watermarks', async () => {
    const h = await openHarness({ topics: [threePartitions] })
    const size = batchOf(['a']).length
    const answer = h.call(fetch, fetchRequest({ minBytes: 2 * size, partitions: [{}, { partition: 1 }] }))
    assert.equal(await isSettled(answer), false)
    assert.equal(h.broker.stats.fetchesDelayed, 1)
    await fill(h, 2, ['not asked for'])
    await fill(h, 0, ['a'])
    assert.equal(await isSettled(answer), false)
    await fill(h, 1, ['b'])
    assert.deepEqual(batchCounts(await answer), [1, 1])
    assert.equal(h.broker.delayedOperations, 0)
  })

  test('does not look again before there is enough', async () => {
    const h = await openHarness()
    const answer = h.call(fetch, fetchRequest({ minBytes: 4 * batchOf(['a']).length }))
    await turn()
    const readsBefore = h.log().reads
    await fill(h, 0, ['a'], ['b'], ['c'])
    assert.equal(h.log().reads, readsBefore)
    await fill(h, 0, ['d'])
    assert.deepEqual(batchCounts(await answer), [4])
  })

  test('is not woken by what is above the high watermark', async () => {
    const replicas = [self, other]
    const h = await openHarness({
      topics: [topicImage('t', { partitions: [partitionImage({ replicas, isr: replicas })] })],
    })
    const answer = h.call(fetch, fetchRequest())
    const produced = h.call(produce, produceRequest({ acks: 1 }))
    h.log().flushed()
    await produced
    assert.equal(await isSettled(answer), false)
    h.metadata.set(topicImage('t', { partitions: [partitionImage({ replicas, isr: [self] })] }))
    assert.deepEqual(batchCounts(await answer), [1])
  })

  test('answers empty when its time is over, never early', async () => {
    const h = await openHarness()
    const answer = h.call(fetch, fetchRequest({ maxWaitMs: 200 }))
    await turn()
    h.clock.advance(199)
    assert.equal(await isSettled(answer), false)
    h.clock.advance(20)
    assert.deepEqual(batchCounts(await answer), [0])
    assert.equal(h.broker.stats.fetchesExpired, 1)
  })

  test('when its time is over, what there is comes even if it is less than minBytes', async () => {
    const h = await openHarness()
    const answer = h.call(fetch, fetchRequest({ maxWaitMs: 200, minBytes: 100_000 }))
    await fill(h, 0, ['a'])
    assert.equal(await isSettled(answer), false)
    h.clock.advance(220)
    assert.deepEqual(batchCounts(await answer), [1])
  })

  test('maxWaitMs 0 never waits', async () => {
    const h = await openHarness()
    assert.deepEqual(batchCounts(await h.call(fetch, fetchRequest({ maxWaitMs: 0 }))), [0])
  })

  test('what arrives while a read from disk is under way is not missed', async () => {
    const h = await openHarness({ topics: [threePartitions] })
    h.log('t', 1).readsFromDisk = true
    await fill(h, 1, ['old'])
    const size = batchOf(['a']).length + batchOf(['old']).length
    const answer = h.call(fetch, fetchRequest({ minBytes: size, partitions: [{ partition: 0 }, { partition: 1 }] }))
    const produced = h.call(produce, produceRequest({ partitions: [{ partition: 0, records: batchOf(['a']) }] }))
    h.log('t', 0).flushed()
    await produced
    assert.deepEqual(batchCounts(await answer), [1, 1])
  })

  test('is dropped when nobody is there any more', async () => {
    const h = await openHarness()
    const gone = new AbortController()
    const answer = h.call(fetch, fetchRequest(), { signal: gone.signal })
    await turn()
    assert.equal(h.broker.delayedOperations, 1)
    gone.abort()
    await answer
    assert.equal(h.broker.delayedOperations, 0)
  })

  test('is answered when the topic is deleted, the leader epoch changes or the leader moves', async () => {
    const h = await openHarness({ topics: [topicImage('a'), topicImage('b'), topicImage('c')] })
    const fetches = ['a', 'b', 'c'].map(topic =>
      h.call(fetch, fetchRequest({ partitions: [{ topic, leaderEpoch: 0 }] })),
    )
    await turn()
    h.metadata.delete('a')
    h.metadata.set(topicImage('b', { partitions: [partitionImage({ leaderEpoch: toLeaderEpoch(1) })] }))
    h.metadata.set(
      topicImage('c', { partitions: [partitionImage({ replicas: [self, other], leaderId: other, isr: [other] })] }),
    )
    const errors = (await Promise.all(fetches)).flatMap(errorsOf)
    assert.deepEqual(errors, ['UNKNOWN_TOPIC_OR_PARTITION', 'FENCED_LEADER_EPOCH', 'NOT_LEADER_OR_FOLLOWER'])
  })

  test('a failing partition answers at once beside the good ones', async () => {
    const h = await openHarness({ topics: [threePartitions] })
    await fill(h, 0, ['a'])
    await fill(h, 1, ['b'])
    h.log('t', 1).readFailure = new CorruptionError('t-1/0.log:0', 'CRC')
    const partitions = [{ partition: 0 }, { partition: 1 }, { topic: 'nope' }, { partition: 2 }]
    const response = await h.call(fetch, fetchRequest({ minBytes: 1 << 20, partitions }))
    assert.deepEqual(errorsOf(response), [null, 'KAFKA_STORAGE_ERROR', 'UNKNOWN_TOPIC_OR_PARTITION', null])
    assert.deepEqual(batchCounts(response), [1, 0, 0, 0])
  })

  test('draining answers those who wait and lets nobody wait any more', async () => {
    const h = await openHarness()
    const waiting = h.call(fetch, fetchRequest())
    await turn()
    h.broker.drain()
    assert.deepEqual(batchCounts(await waiting), [0])
    assert.deepEqual(batchCounts(await h.call(fetch, fetchRequest())), [0])
  })
})

describe('offsets', () => {
  test('out of range below the start and above the end; at the end it waits', async () => {
    const h = await openHarness()
    await fill(h, 0, ['a'], ['b'], ['c'])
    h.log().logStartOffset = 1
    const at = async (fetchOffset: number) =>
      errorsOf(await h.call(fetch, fetchRequest({ maxWaitMs: 0, partitions: [{ fetchOffset }] })))
    assert.deepEqual(await at(0), ['OFFSET_OUT_OF_RANGE'])
    assert.deepEqual(await at(1), [null])
    assert.deepEqual(await at(3), [null])
    assert.deepEqual(await at(4), ['OFFSET_OUT_OF_RANGE'])
  })

  test('a reader whose records are not in the log is told where the log parts from them, at once', async () => {
    const h = await openHarness({ topics: [threePartitions] })
    await fill(h, 0, ['a', 'b'], ['c'])
    const nextEpoch = partitionImage({ leaderEpoch: toLeaderEpoch(4), partitionEpoch: 1 })
    h.metadata.set({ ...threePartitions, partitions: [nextEpoch, ...threePartitions.partitions.slice(1)] })
    await fill(h, 0, ['d'], ['e', 'f'])
    const at = async (fetchOffset: number, lastFetchedEpoch: number) => {
      const partitions = [{ fetchOffset, lastFetchedEpoch }, { partition: 1 }]
      const [answer] = (await h.call(fetch, fetchRequest({ maxWaitMs: 30_000, partitions })))!.partitions
      const { errorCode, divergingEpoch, records } = answer!
      if (errorCode !== 0) return errorsOf({ partitions: [answer!] })[0]
      assert.equal((records as Uint8Array).length > 0, divergingEpoch === null)
      return divergingEpoch
    }
    for (const known of [-1, 0]) assert.equal(await at(3, known), null)
    for (const known of [-1, 4]) assert.equal(await at(4, known), null)
    assert.deepEqual(await at(4, 0), { epoch: 0, endOffset: 3 })
    assert.deepEqual(await at(4, 3), { epoch: 0, endOffset: 3 })
    assert.deepEqual(await at(9, 0), { epoch: 0, endOffset: 3 })
    assert.deepEqual(await at(9, 4), { epoch: 4, endOffset: 6 })
    assert.deepEqual(await at(2, 3), { epoch: 0, endOffset: 2 })
    assert.equal(await at(9, -1), 'OFFSET_OUT_OF_RANGE')
    // What was deleted cannot be compared; below the start the reader hears of that first.
    h.log().logStartOffset = 3
    h.log().batches = h.log().batches.filter(({ baseOffset }) => baseOffset >= 3)
    assert.equal(await at(3, 2), null)
    assert.deepEqual(await at(4, 2), { epoch: -1, endOffset: 3 })
    assert.equal(await at(2, 3), 'OFFSET_OUT_OF_RANGE')
  })

  test('that his records are gone a reader is told by nobody who may have been replaced', async () => {
    let onAsked = (): void => {}
    const answer = (api: string) => (api === 'currentImage' ? onAsked() : undefined)
    const h = await openHarness({ topics: [threePartitions], answer })
    for (const partition of [0, 1]) await fill(h, partition, ['a', 'b'])
    // Of records that a later leader committed: by their epoch, by nothing but their offset.
    const ahead = [
      { partition: 0, fetchOffset: 2, lastFetchedEpoch: 1 },
      { partition: 1, fetchOffset: 3 },
    ]
    const read = () => h.call(fetch, fetchRequest({ maxWaitMs: 30_000, partitions: [...ahead, { partition: 2 }] }))
    onAsked = () => {
      throw new ApiError('NOT_CONTROLLER')
    }
    const notKnown = (await read())!.partitions
    assert.deepEqual(errorsOf({ partitions: notKnown }), ['NOT_LEADER_OR_FOLLOWER', 'NOT_LEADER_OR_FOLLOWER', null])
    assert.equal(h.forwarded.length, 1)
    onAsked = () => {}
    const known = (await read())!.partitions
    assert.deepEqual(known[0]!.divergingEpoch, { epoch: 0, endOffset: 2 })
    assert.deepEqual(errorsOf({ partitions: known }), [null, 'OFFSET_OUT_OF_RANGE', null])
    onAsked = () => {
      const successor = partitionImage({ leaderEpoch: toLeaderEpoch(1), partitionEpoch: 1, leaderId: other })
      h.metadata.set({ ...threePartitions, partitions: [successor, successor, partitionImage()] })
    }
    assert.deepEqual(errorsOf(await read()), ['NOT_LEADER_OR_FOLLOWER', 'NOT_LEADER_OR_FOLLOWER', null])
    assert.equal(h.forwarded.length, 3)
  })

  test('what is before the start of the log is gone whoever leads', async () => {
    const h = await openHarness()
    await fill(h, 0, ['a'], ['b'])
    h.log().logStartOffset = 1
    assert.deepEqual(errorsOf(await h.call(fetch, fetchRequest())), ['OFFSET_OUT_OF_RANGE'])
    assert.deepEqual(h.forwarded, [])
  })

  test('a fetch that waits hears of an unclean election when its leader has another log', async () => {
    const h = await openHarness()
    await fill(h, 0, ['a', 'b', 'c'])
    const partitions = [{ fetchOffset: 3, lastFetchedEpoch: 0 }]
    const waiting = h.call(fetch, fetchRequest({ maxWaitMs: 30_000, partitions }))
    assert.equal(await isSettled(waiting), false)
    const withEpoch = (leaderEpoch: number, leaderId: typeof self) =>
      topicImage('t', {
        partitions: [
          partitionImage({ leaderEpoch: toLeaderEpoch(leaderEpoch), partitionEpoch: leaderEpoch, leaderId }),
        ],
      })
    await h.log().truncateTo(0)
    h.metadata.set(withEpoch(1, self))
    assert.deepEqual((await waiting)!.partitions[0]!.divergingEpoch, { epoch: -1, endOffset: 0 })
  })

  test('plain records begin exactly where they were asked for', async () => {
    const h = await openHarness()
    await fill(h, 0, ['a', 'b', 'c'])
    const response = await h.call(fetch, fetchRequest({ format: 'records', partitions: [{ fetchOffset: 1 }] }))
    const records = response!.partitions[0]!.records as { offset: number; value: Uint8Array }[]
    assert.deepEqual(
      records.map(r => [r.offset, new TextDecoder().decode(r.value)]),
      [
        [1, 'b'],
        [2, 'c'],
      ],
    )
  })

  test('plain records of several batches, also when they are read from a file in one piece', async () => {
    const h = await openHarness()
    await fill(h, 0, ['a'], ['b', 'c'])
    h.log().readsFromDisk = true
    const response = await h.call(fetch, fetchRequest({ format: 'records' }))
    const { errorCode, records } = response!.partitions[0]!
    assert.equal(errorCode, 0)
    assert.deepEqual(
      (records as { value: Uint8Array }[]).map(r => new TextDecoder().decode(r.value)),
      ['a', 'b', 'c'],
    )
  })

  test('an isolation level nobody knows is refused', async () => {
    const h = await openHarness()
    await assert.rejects(h.call(fetch, fetchRequest({ isolationLevel: 2 })), { code: 'INVALID_REQUEST' })
  })
})

describe('fetch memory', () => {
  test('reads under way share it, and who finds none left waits', async () => {
    const h = await openHarness({ topics: [threePartitions], settings: { fetchMemoryBytesMax: 1_000 } })
    await fill(h, 0, ['a'])
    await fill(h, 1, ['b'])
    h.log('t', 0).readsFromDisk = true
    const first = h.call(fetch, fetchRequest())
    assert.equal(h.broker.fetchMemoryBytes, 1_000)
    const readsBefore = h.log('t', 1).reads
    const second = h.call(fetch, fetchRequest({ partitions: [{ partition: 1 }] }))
    assert.equal(h.log('t', 1).reads, readsBefore)
    assert.deepEqual(batchCounts(await first), [1])
    assert.deepEqual(batchCounts(await second), [1])
    assert.equal(h.broker.fetchMemoryBytes, 0)
  })

  test('an answer counts with what it holds until its reader has taken it', async () => {
    const size = batchOf(['a']).length
    const h = await openHarness({ settings: { fetchMemoryBytesMax: size } })
    await fill(h, 0, ['a'])
    const first = (await h.call(fetch, fetchRequest(), { keepsAnswers: true })) as unknown as Disposable
    assert.equal(h.broker.fetchMemoryBytes, size)
    const second = h.call(fetch, fetchRequest())
    assert.equal(await isSettled(second), false)
    first[Symbol.dispose]()
    assert.deepEqual(batchCounts(await second), [1])
    assert.equal(h.broker.fetchMemoryBytes, 0)
  })

  test('what follows is read ahead once the reader has taken the answer, not when he is gone', async () => {
    const h = await openHarness()
    await fill(h, 0, ['a', 'b'])
    const { aheads } = h.log('t', 0)
    const answer = (await h.call(fetch, fetchRequest(), { keepsAnswers: true })) as unknown as Disposable
    assert.deepEqual(aheads, [])
    answer[Symbol.dispose]()
    assert.equal(aheads.length, 1)
    assert.equal(aheads[0]![0], 2)
    const gone = new AbortController()
    const unread = (await h.call(fetch, fetchRequest(), {
      keepsAnswers: true,
      signal: gone.signal,
    })) as unknown as Disposable
    gone.abort()
    unread[Symbol.dispose]()
    assert.equal(aheads.length, 1)
  })

  test('who wants records unpacked takes room for as large a batch as there is, and gives back what it did not need', async () => {
    const h = await openHarness({ settings: { fetchMemoryBytesMax: limits.recordsBytes } })
    await fill(h, 0, ['a', 'b'])
    h.log('t', 0).readsFromDisk = true
    const requests = [1, 2].map(() => h.call(fetch, fetchRequest({ format: 'records', maxBytes: 1 })))
    assert.equal(h.broker.fetchMemoryBytes, limits.recordsBytes)
    assert.equal(h.log('t', 0).reads, 1)
    for (const request of requests) assert.equal((await request)!.partitions[0]!.records.length, 2)
    assert.equal(h.broker.fetchMemoryBytes, 0)
  })

  test('a fetch that waits for records holds none of it', async () => {
    const h = await openHarness()
    const answer = h.call(fetch, fetchRequest())
    await turn()
    assert.equal(h.broker.fetchMemoryBytes, 0)
    await fill(h, 0, ['a'])
    assert.deepEqual(batchCounts(await answer), [1])
  })
})
