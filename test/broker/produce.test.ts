import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { listOffsets, produce } from '../../src/protocol/apis/index.ts'
import { readBatchHeader } from '../../src/protocol/batch/header.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import { CorruptionError, StorageError } from '../../src/util/errors.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'
import {
  batchOf,
  errorsOf,
  isSettled,
  openHarness,
  other,
  partitionImage,
  produceRequest,
  self,
  topicImage,
} from './harness.ts'

const threePartitions = topicImage('t', { partitions: [partitionImage(), partitionImage(), partitionImage()] })

describe('acks', () => {
  test('1: answered when the leader has it durably, in one answer for all partitions', async () => {
    const h = await openHarness({ topics: [threePartitions] })
    const answer = h.call(
      produce,
      produceRequest({ acks: 1, partitions: [{ partition: 0, records: batchOf(['a', 'b']) }, { partition: 2 }] }),
    )
    assert.equal(await isSettled(answer), false)
    h.log('t', 0).flushed()
    assert.equal(await isSettled(answer), false)
    h.log('t', 2).flushed()
    const response = await answer
    assert.deepEqual(errorsOf(response), [null, null])
    assert.deepEqual(
      response!.partitions.map(p => p.baseOffset),
      [0, 0],
    )
    assert.equal(h.broker.stats.recordsIn, 3)
    assert.equal(h.broker.delayedOperations, 0)
  })

  test('all: answered when the high watermark passes, which a second replica in the ISR holds back', async () => {
    const replicas = [self, other]
    const topic = (isr: typeof replicas) => topicImage('t', { partitions: [partitionImage({ replicas, isr })] })
    const h = await openHarness({ topics: [topic(replicas)] })
    const all = h.call(produce, produceRequest({ acks: -1 }))
    const one = h.call(produce, produceRequest({ acks: 1 }))
    h.log().flushed()
    assert.deepEqual(errorsOf(await one), [null])
    assert.equal(await isSettled(all), false)
    h.metadata.set(topic([self]))
    assert.deepEqual(errorsOf(await all), [null])
  })

  test('all: refused while the ISR is below min.insync.replicas; 1 is taken and stays above the high watermark', async () => {
    const configs = new Map([['min.insync.replicas', '2']])
    const replicated = [partitionImage({ replicas: [self, other], isr: [self] })]
    const h = await openHarness({ topics: [topicImage('t', { configs, partitions: replicated })] })
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest({ acks: -1 }))), ['NOT_ENOUGH_REPLICAS'])
    assert.equal(h.log().logEndOffset, 0)
    const one = h.call(produce, produceRequest({ acks: 1 }))
    h.log().flushed()
    assert.deepEqual(errorsOf(await one), [null])
    const partitions = [{ topic: 't', topicId: null, partition: 0, leaderEpoch: -1, timestamp: -1 }]
    assert.equal((await h.call(listOffsets, { isolationLevel: 0, partitions }))!.partitions[0]!.offset, 0)
  })

  test('0: no answer, but the request is in flight until its bytes are written', async () => {
    const h = await openHarness()
    const answer = h.call(produce, produceRequest({ acks: 0 }))
    assert.equal(await isSettled(answer), false)
    h.log().flushed()
    assert.equal(await answer, null)
    assert.equal(h.log().logEndOffset, 1)
  })

  test('anything else is refused as a whole', async () => {
    const h = await openHarness()
    await assert.rejects(h.call(produce, produceRequest({ acks: 2 })), { code: 'INVALID_REQUIRED_ACKS' })
  })
})

describe('order and release', () => {
  test('requests are appended in the order of the calls and released by the end that became durable', async () => {
    const h = await openHarness()
    const answers = [1, -1, 1, -1].map(acks => h.call(produce, produceRequest({ acks })))
    h.log().flushed(2)
    assert.deepEqual(await Promise.all(answers.map(isSettled)), [true, true, false, false])
    h.log().flushed(4)
    const responses = await Promise.all(answers)
    assert.deepEqual(
      responses.map(r => r!.partitions[0]!.baseOffset),
      [0, 1, 2, 3],
    )
  })

  test('a log that is durable at once answers in the same turn', async () => {
    const h = await openHarness({ isInstant: true })
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), [null])
    assert.equal(h.broker.stats.produceMs.count, 1)
  })

  test('the bytes of the request are the ones in the log, with offset and epoch set', async () => {
    const leaderEpoch = toLeaderEpoch(7)
    const h = await openHarness({
      topics: [topicImage('t', { partitions: [partitionImage({ leaderEpoch })] })],
      isInstant: true,
    })
    const records = batchOf(['a'])
    await h.call(produce, produceRequest({ partitions: [{ records: batchOf(['z']) }] }))
    await h.call(produce, produceRequest({ partitions: [{ records }] }))
    assert.equal(h.log().batches[1]!.bytes, records)
    const header = readBatchHeader(records, 0)
    assert.equal(header.baseOffset, 1)
    assert.equal(header.leaderEpoch, 7)
  })
})

describe('timeouts', () => {
  test('a request not acknowledged in time says so, and its append stays', async () => {
    const h = await openHarness({ topics: [threePartitions] })
    const answer = h.call(
      produce,
      produceRequest({ timeoutMs: 1_000, partitions: [{ partition: 0 }, { partition: 1 }] }),
    )
    h.log('t', 0).flushed()
    h.clock.advance(999)
    assert.equal(await isSettled(answer), false)
    h.clock.advance(20)
    assert.deepEqual(errorsOf(await answer), [null, 'REQUEST_TIMED_OUT'])
    assert.equal(h.log('t', 1).logEndOffset, 1)
    h.log('t', 1).flushed()
    assert.equal(h.broker.stats.producesExpired, 1)
  })

  test('an answered request leaves no deadline behind', async () => {
    const h = await openHarness()
    const answer = h.call(produce, produceRequest())
    assert.equal(h.broker.delayedOperations, 1)
    h.log().flushed()
    await answer
    assert.equal(h.broker.delayedOperations, 0)
  })
})

describe('refusals', () => {
  test('unknown topic, partition, topic id, epochs, another leader', async () => {
    const partitions = [
      partitionImage({ leaderEpoch: toLeaderEpoch(4) }),
      partitionImage({ replicas: [self, other], isr: [other], leaderId: other }),
      partitionImage({ replicas: [other], isr: [other], leaderId: other }),
    ]
    const h = await openHarness({ topics: [topicImage('t', { partitions })], isInstant: true })
    const response = await h.call(
      produce,
      produceRequest({
        partitions: [
          { topic: 'nope' },
          { partition: 3 },
          { partition: -1 },
          { topicId: 'other-id' },
          { leaderEpoch: 3 },
          { leaderEpoch: 5 },
          { partition: 1 },
          { partition: 2 },
          { topicId: 'id-t', leaderEpoch: 4 },
        ],
      }),
    )
    assert.deepEqual(errorsOf(response), [
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_ID',
      'FENCED_LEADER_EPOCH',
      'UNKNOWN_LEADER_EPOCH',
      'NOT_LEADER_OR_FOLLOWER',
      'NOT_LEADER_OR_FOLLOWER',
      null,
    ])
    assert.equal(h.broker.stats.produceFailures, 8)
  })

  test('bad batches are refused whole and the good ones of the request are kept', async () => {
    const configs = new Map([['max.message.bytes', '300']])
    const h = await openHarness({ topics: [topicImage('t', { configs })], isInstant: true })
    const damaged = batchOf(['v'])
    damaged[damaged.length - 1]! ^= 1
    const response = await h.call(
      produce,
      produceRequest({
        partitions: [{ records: damaged }, { records: batchOf(['x'.repeat(400)]) }, { records: [] }, {}],
      }),
    )
    assert.deepEqual(errorsOf(response), ['CORRUPT_MESSAGE', 'MESSAGE_TOO_LARGE', 'INVALID_RECORD', null])
    assert.equal(h.log().logEndOffset, 1)
  })

  test('plain records are packed by the broker, with its time where they have none', async () => {
    const h = await openHarness({ isInstant: true })
    const records = [
      { key: 'k', value: 'v', headers: [{ name: 'h', value: 'w' }], timestamp: null },
      { key: null, value: null, headers: [], timestamp: 5 },
    ]
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest({ partitions: [{ records }] }))), [null])
    const header = readBatchHeader(h.log().batches[0]!.bytes, 0)
    assert.equal(header.recordCount, 2)
    assert.equal(header.maxTimestamp, h.clock.wallClockMs())
  })

  test('not authorised', async () => {
    const authorizer = { isAllowed: (_: unknown, operation: string) => operation !== 'write' }
    const h = await openHarness({ authorizer })
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), ['TOPIC_AUTHORIZATION_FAILED'])
  })
})

describe('a disk that fails', () => {
  const eio = () => new StorageError('t-0/0.log', 'fdatasync (EIO)')

  test('a full disk refuses the batch and the next one is tried again', async () => {
    const h = await openHarness({ isInstant: true })
    h.log().refuseWith = new ApiError('DISK_FULL')
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), ['DISK_FULL'])
    h.log().refuseWith = null
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), [null])
    assert.deepEqual(h.fatal, [])
  })

  test('what was on its way behind a refused batch is refused, until its sender has heard of it', async () => {
    const h = await openHarness({
      isInstant: true,
      topics: [topicImage('t', { partitions: [partitionImage(), partitionImage()] })],
    })
    const [one, another] = [new AbortController(), new AbortController()]
    const send = async (sendEpoch: number, { signal } = one, partition = 0) => {
      const request = produceRequest({ partitions: [{ sendEpoch, partition }] })
      return errorsOf(await h.call(produce, request, { signal }))[0]
    }
    h.log().refuseWith = new ApiError('DISK_FULL')
    assert.equal(await send(5), 'DISK_FULL')
    h.log().refuseWith = null
    assert.equal(await send(5), 'OPERATION_NOT_ATTEMPTED')
    assert.equal(await send(5, one, 1), null, 'of another partition')
    assert.equal(await send(5, another), null, 'over another connection')
    assert.equal(await send(-1), null, 'order is not asked for')
    assert.equal(await send(9), null)
    assert.equal(await send(9), null)
    assert.equal(h.log().logEndOffset, 4)
  })

  test('what arrives after appends were taken back, from a sender that has not heard of it, is refused', async () => {
    const h = await openHarness()
    const context = { signal: new AbortController().signal }
    const send = (sendEpoch: number) =>
      h.call(produce, produceRequest({ acks: 1, partitions: [{ sendEpoch }] }), context)
    const taken = send(0)
    h.log().takeBack(0)
    assert.deepEqual(errorsOf(await taken), ['DISK_FULL'])
    assert.deepEqual(errorsOf(await send(0)), ['OPERATION_NOT_ATTEMPTED'])
    const again = send(1)
    h.log().flushed()
    assert.deepEqual(errorsOf(await again), [null])
  })

  test('appends taken back by a full disk fail, their offsets are given again, those before them live', async () => {
    const h = await openHarness()
    const answers = [-1, 1, -1].map(acks => h.call(produce, produceRequest({ acks })))
    h.log().takeBack(1)
    assert.deepEqual(await Promise.all(answers.map(isSettled)), [false, true, true])
    const again = h.call(produce, produceRequest({ acks: 1 }))
    h.log().flushed()
    const responses = await Promise.all([...answers, again])
    assert.deepEqual(responses.flatMap(errorsOf), [null, 'DISK_FULL', 'DISK_FULL', null])
    assert.deepEqual(
      responses.map(r => r!.partitions[0]!.baseOffset),
      [0, -1, -1, 1],
    )
  })

  test('a disk that stands still refuses more than it can hold', async () => {
    const h = await openHarness()
    h.log().pendingBytes = 1 << 30
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), ['BROKER_OVERLOADED'])
  })

  test('under `sync` a failed log ends the node, and nobody is told that his record is safe', async () => {
    const h = await openHarness()
    const answer = h.call(produce, produceRequest())
    h.log().fail(eio())
    assert.equal(h.fatal.length, 1)
    assert.deepEqual(errorsOf(await answer), ['KAFKA_STORAGE_ERROR'])
  })

  test('under `os` only that partition is offline', async () => {
    const h = await openHarness({
      topics: [topicImage('t', { ...threePartitions, configs: new Map([['flush.policy', 'os']]) })],
    })
    const waiting = h.call(produce, produceRequest({ acks: 1, partitions: [{ partition: 0 }] }))
    h.log('t', 0).fail(eio())
    assert.deepEqual(errorsOf(await waiting), ['KAFKA_STORAGE_ERROR'])
    const response = h.call(produce, produceRequest({ partitions: [{ partition: 0 }, { partition: 1 }] }))
    h.log('t', 1).flushed()
    assert.deepEqual(errorsOf(await response), ['KAFKA_STORAGE_ERROR', null])
    assert.deepEqual(h.fatal, [])
    assert.equal(h.broker.partitions.offlineCount, 1)
  })

  test('damage found by reading concerns the partition alone, under `sync` too', async () => {
    const h = await openHarness()
    h.log().fail(new CorruptionError('t-0/0.log:61', 'CRC'))
    assert.deepEqual(h.fatal, [])
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), ['KAFKA_STORAGE_ERROR'])
  })
})
