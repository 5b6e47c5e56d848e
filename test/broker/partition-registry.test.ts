import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fetch, listOffsets, produce } from '../../src/protocol/apis/index.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'
import {
  batchOf,
  errorsOf,
  fetchRequest,
  isSettled,
  openHarness,
  other,
  partitionImage,
  produceRequest,
  self,
  topicImage,
} from './harness.ts'

describe('following the metadata', () => {
  test('opens what it is a replica of, and nothing else', async () => {
    const partitions = [partitionImage(), partitionImage({ replicas: [other], isr: [other], leaderId: other })]
    const h = await openHarness({ topics: [topicImage('t', { partitions })] })
    assert.deepEqual(
      h.logs.opened.map(id => id.partition),
      [0],
    )
    h.metadata.set(topicImage('u', { partitions: [partitionImage(), partitionImage()] }))
    await h.broker.partitions.settled(['u'])
    assert.equal(h.logs.opened.length, 3)
  })

  test('a thousand partitions are opened a few at a time; what is deleted before its turn is not opened at all', async () => {
    const h = await openHarness({ topics: [] })
    let open!: () => void
    h.logs.gate = new Promise(resolve => (open = resolve))
    for (const name of ['kept', 'gone']) {
      h.metadata.set(topicImage(name, { partitions: Array.from({ length: 500 }, () => partitionImage()) }))
    }
    h.metadata.delete('gone')
    open()
    await h.broker.partitions.settled(['kept', 'gone'])
    assert.equal(h.logs.openingMax, 4)
    assert.deepEqual([...new Set(h.logs.opened.map(({ topic }) => topic))], ['kept'])
    assert.equal(h.logs.opened.length, 500)
    assert.equal([...h.broker.partitions.all()].length, 500)
  })

  test('a partition that is being opened says so', async () => {
    const h = await openHarness({ isInstant: true })
    let open!: () => void
    h.logs.gate = new Promise(resolve => (open = resolve))
    h.metadata.set(topicImage('u'))
    const request = () => produceRequest({ partitions: [{ topic: 'u', records: batchOf(['v']) }] })
    assert.deepEqual(errorsOf(await h.call(produce, request())), ['LEADER_NOT_AVAILABLE'])
    open()
    await h.broker.partitions.settled()
    assert.deepEqual(errorsOf(await h.call(produce, request())), [null])
  })

  test('a deleted topic takes its logs with it and does not come back', async () => {
    const h = await openHarness({ isInstant: true })
    await h.call(produce, produceRequest())
    h.metadata.delete('t')
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), ['UNKNOWN_TOPIC_OR_PARTITION'])
    await h.broker.partitions.settled()
    assert.deepEqual(h.logs.removed, [{ topic: 't', topicId: 'id-t', partition: 0 }])
    assert.equal([...h.broker.partitions.all()].length, 0)
  })

  test('a topic created anew under its name is another topic: it waits for the old directory to go', async () => {
    const h = await openHarness({ isInstant: true })
    await h.call(produce, produceRequest())
    let open!: () => void
    h.logs.gate = new Promise(resolve => (open = resolve))
    h.metadata.delete('t')
    h.metadata.set(topicImage('t', { id: 'id-2' }))
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), ['LEADER_NOT_AVAILABLE'])
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest({ partitions: [{ topicId: 'id-t' }] }))), [
      'UNKNOWN_TOPIC_ID',
    ])
    open()
    await h.broker.partitions.settled()
    assert.deepEqual(
      h.logs.opened.map(id => id.topicId),
      ['id-t', 'id-2'],
    )
    assert.deepEqual(
      h.logs.removed.map(id => id.topicId),
      ['id-t'],
    )
    assert.equal(h.log().logEndOffset, 0)
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest({ partitions: [{ topicId: 'id-2' }] }))), [null])
  })

  test('the same in one change of the metadata', async () => {
    const h = await openHarness({ isInstant: true })
    await h.call(produce, produceRequest())
    h.metadata.set(topicImage('t', { id: 'id-2' }))
    await h.broker.partitions.settled()
    assert.equal(h.log().id.topicId, 'id-2')
    assert.equal(h.log().logEndOffset, 0)
  })

  test('deleted while it is still being opened', async () => {
    const h = await openHarness()
    let open!: () => void
    h.logs.gate = new Promise(resolve => (open = resolve))
    h.metadata.set(topicImage('u'))
    h.metadata.delete('u')
    open()
    await h.broker.partitions.settled()
    assert.equal(h.logs.logs.has('u-0'), false)
  })

  test('a partition that cannot be opened is offline; the others live; deleting its topic clears the way', async () => {
    const h = await openHarness({ isInstant: true })
    h.logs.failingTopic = 'u'
    h.metadata.set(topicImage('u'))
    await h.broker.partitions.settled()
    const both = () => produceRequest({ partitions: [{ topic: 'u' }, { records: batchOf(['v']) }] })
    assert.deepEqual(errorsOf(await h.call(produce, both())), ['KAFKA_STORAGE_ERROR', null])
    assert.equal(h.broker.partitions.offlineCount, 1)
    h.logs.failingTopic = null
    h.metadata.set(topicImage('u', { id: 'id-2' }))
    await h.broker.partitions.settled()
    assert.deepEqual(errorsOf(await h.call(produce, both())), [null, null])
    assert.equal(h.broker.partitions.offlineCount, 0)
  })

  test('a partition for which the disk has no room is opened when there is room, and is not told as failed', async () => {
    const h = await openHarness({ isInstant: true })
    h.logs.fullTopic = 'u'
    h.metadata.set(topicImage('u'))
    await h.broker.partitions.settled()
    const request = () => produceRequest({ partitions: [{ topic: 'u' }] })
    assert.deepEqual(errorsOf(await h.call(produce, request())), ['DISK_FULL'])
    assert.equal(h.broker.partitions.offlineCount, 1)
    assert.deepEqual(h.broker.partitions.offlineNews(), [])
    h.logs.fullTopic = null
    h.clock.advance(1_000)
    await h.broker.partitions.settled()
    assert.deepEqual(errorsOf(await h.call(produce, request())), [null])
    assert.equal(h.broker.partitions.offlineCount, 0)
  })

  test('configs reach the log and the broker: of the topic, and defaults of the broker', async () => {
    const h = await openHarness({ isInstant: true, topicDefaults: { 'log.retention.ms': '1000' } })
    assert.equal(h.log().config.retentionMs, 1_000)
    h.metadata.configureBroker(self, { 'log.retention.ms': '2000' })
    assert.equal(h.log().config.retentionMs, 2_000)
    h.metadata.set(
      topicImage('t', {
        configs: new Map([
          ['retention.ms', '3000'],
          ['max.message.bytes', '256'],
        ]),
      }),
    )
    assert.equal(h.log().config.retentionMs, 3_000)
    const records = batchOf(['x'.repeat(300)])
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest({ partitions: [{ records }] }))), [
      'MESSAGE_TOO_LARGE',
    ])
  })
})

describe('leadership', () => {
  const led = (leaderEpoch: number, leaderId = self) =>
    topicImage('t', {
      partitions: [
        partitionImage({
          replicas: [self, other],
          isr: [self, other],
          leaderId,
          leaderEpoch: toLeaderEpoch(leaderEpoch),
        }),
      ],
    })

  test('given to an earlier process of this node: not led before this one is registered', async () => {
    const h = await openHarness({ incarnationId: 'second life', isInstant: true })
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), ['NOT_LEADER_OR_FOLLOWER'])
    h.metadata.register('second life')
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), [null])
    h.metadata.register('a third one elsewhere')
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), ['NOT_LEADER_OR_FOLLOWER'])
  })

  test('lost: those who wait for this disk hear it, those who wait for all wait for the next leader', async () => {
    const h = await openHarness({ topics: [led(0)] })
    const forAll = h.call(produce, produceRequest({ timeoutMs: 1_000 }))
    h.log().flushed()
    const forOne = h.call(produce, produceRequest({ acks: 1 }))
    h.metadata.set(led(1, other))
    assert.deepEqual(errorsOf(await forOne), ['FENCED_LEADER_EPOCH'])
    assert.equal(await isSettled(forAll), false)
    assert.equal(h.log().isClosed, false)
    h.clock.advance(1_000)
    assert.deepEqual(errorsOf(await forAll), ['REQUEST_TIMED_OUT'])
  })

  test('kept with a new epoch: those who wait go on waiting, the high watermark does not go back', async () => {
    const h = await openHarness({ topics: [led(0)] })
    h.metadata.set(topicImage('t', { partitions: [partitionImage({ replicas: [self, other], isr: [self] })] }))
    const first = h.call(produce, produceRequest())
    h.log().flushed()
    assert.deepEqual(errorsOf(await first), [null])
    h.metadata.set(led(1))
    const waiting = h.call(produce, produceRequest())
    h.log().flushed()
    h.metadata.set(led(2))
    const partitions = [{ topic: 't', topicId: null, partition: 0, leaderEpoch: 2, timestamp: -1 }]
    // An earlier leader may have shown more (KIP-207).
    assert.deepEqual(errorsOf(await h.call(listOffsets, { isolationLevel: 0, partitions })), ['OFFSET_NOT_AVAILABLE'])
    const read = await h.call(fetch, fetchRequest({ maxWaitMs: 0 }))
    assert.equal(read!.partitions[0]!.highWatermark, 1, 'what it knows to be committed is read')
    h.metadata.set(
      topicImage('t', {
        partitions: [partitionImage({ replicas: [self, other], isr: [self], leaderEpoch: toLeaderEpoch(2) })],
      }),
    )
    assert.deepEqual(errorsOf(await waiting), [null])
    assert.equal((await h.call(listOffsets, { isolationLevel: 0, partitions }))!.partitions[0]!.offset, 2)
  })
})

test('a closed broker answers SHUTTING_DOWN; of what it has appended, that nobody knows', async () => {
  const h = await openHarness()
  const produced = h.call(produce, produceRequest())
  const fetched = h.call(fetch, fetchRequest())
  await h.broker[Symbol.asyncDispose]()
  assert.deepEqual(errorsOf(await produced), ['REQUEST_TIMED_OUT'])
  assert.deepEqual(errorsOf(await fetched), ['SHUTTING_DOWN'])
  assert.deepEqual(errorsOf(await h.call(produce, produceRequest())), ['SHUTTING_DOWN'])
  assert.equal(h.clock.nextEventMs(), null, 'no timer is left')
})
