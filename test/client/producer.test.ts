import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Producer } from '../../src/client/producer/producer.ts'
import { readBatchHeader } from '../../src/protocol/batch/header.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import { startFake, text } from './harness.ts'

type ProduceBody = { acks: number; partitions: Array<{ topic: string; partition: number; records: Uint8Array }> }

const isApiError = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code

test('producer: one entry per message, in order, where the record is', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('orders', 3)
  const orders = producer()
  const messages = [
    { value: 'a', partition: 2 },
    { key: 'key', value: 'b', headers: { h: '1', raw: new Uint8Array([1]), none: null }, timestamp: 5 },
    { value: null, partition: 0 },
    { value: new Uint8Array([7]), partition: 2 },
  ]
  const results = await clock.run(orders.send({ topic: 'orders', messages }))
  assert.equal(results.length, 4)
  assert.deepEqual(
    [results[0], results[3]],
    [
      { topic: 'orders', partition: 2, offset: 0 },
      { topic: 'orders', partition: 2, offset: 1 },
    ],
  )
  for (const [i, { partition, offset }] of results.entries()) {
    const record = cluster.partition('orders', partition).records[offset]!
    assert.equal(text(record.value), [`a`, 'b', null, '\u0007'][i])
  }
  const keyed = cluster.partition('orders', results[1]!.partition).records[results[1]!.offset]!
  assert.equal(keyed.timestamp, 5)
  assert.equal(text(keyed.key), 'key')
  assert.deepEqual(
    keyed.headers.map(({ name, value }) => [name, text(value)]),
    [
      ['h', '1'],
      ['raw', '\u0001'],
      ['none', null],
    ],
  )
  assert.equal(cluster.partition('orders', 0).records.at(-1)!.timestamp, 1_700_000_000_000)
  await clock.run(orders.close())
})

test('producer: sends of one turn leave as one batch; a batch is full at batchBytes', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer({ batchBytes: 400 })
  await clock.run(p.send({ topic: 't', messages: [{ value: 'first' }] }))
  const sends = Array.from({ length: 20 }, (_, i) =>
    p.send({ topic: 't', messages: [{ value: `record ${String(i).padStart(2)} ${'x'.repeat(50)}` }] }),
  )
  await clock.run(Promise.all(sends))
  const { batches, records } = cluster.partition('t', 0)
  assert.equal(records.length, 21)
  assert.ok(batches.every(batch => batch.length <= 400))
  assert.equal(batches.length, 1 + Math.ceil(20 / readBatchHeader(batches[1]!, 0).recordCount))
  await clock.run(p.close())
})

test('producer: batches fill while inFlightMax requests are out', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer({ inFlightMax: 1 })
  await clock.run(p.send({ topic: 't', messages: [{ value: 'warm' }] }))
  const first = p.send({ topic: 't', messages: [{ value: '0' }] })
  await clock.settle()
  const rest: Promise<unknown>[] = []
  for (let i = 1; i <= 30; i++) {
    rest.push(p.send({ topic: 't', messages: [{ value: String(i) }] }))
    await clock.settle()
  }
  await clock.run(Promise.all([first, ...rest]))
  assert.deepEqual(
    cluster.partition('t', 0).batches.map(batch => readBatchHeader(batch, 0).recordCount),
    [1, 1, 30],
  )
  await clock.run(p.close())
})

test('producer: ready batches of several partitions travel in one request', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('a', 4)
  cluster.createTopic('b', 2)
  const p = producer()
  await clock.run(Promise.all(['a', 'b'].map(topic => p.send({ topic, messages: [{ value: 'warm', partition: 0 }] }))))
  cluster.requests.length = 0
  const toAll = (topic: string, count: number) =>
    p.send({ topic, messages: Array.from({ length: count }, (_, partition) => ({ value: 'x', partition })) })
  await clock.run(Promise.all([toAll('a', 4), toAll('b', 2)]))
  const produced = cluster.requests.filter(request => request.api === 'Produce')
  assert.equal(produced.length, 1)
  assert.equal((produced[0]!.body as ProduceBody).partitions.length, 6)
  await clock.run(p.close())
})

test('producer: linger holds a batch back, flush does not wait for it', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  cluster.latencyMsMax = 0
  const p = producer({ lingerMs: 1_000 })
  const first = p.send({ topic: 't', messages: [{ value: 'a' }] })
  await clock.advance(900)
  const second = p.send({ topic: 't', messages: [{ value: 'b' }] })
  await clock.advance(90)
  assert.equal(cluster.partition('t', 0).records.length, 0)
  await clock.advance(20)
  assert.equal(cluster.partition('t', 0).batches.length, 1)
  await Promise.all([first, second])
  const third = p.send({ topic: 't', messages: [{ value: 'c' }] })
  const beforeMs = clock.nowMs()
  await clock.run(p.flush())
  assert.equal(clock.nowMs(), beforeMs)
  assert.deepEqual(await third, [{ topic: 't', partition: 0, offset: 2 }])
  await clock.run(p.close())
})

test('producer: messages without a key fill one partition after the other', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 8)
  const p = producer({ batchBytes: 1024, inFlightMax: 1 })
  const messages = Array.from({ length: 2_000 }, (_, i) => ({ value: `value number ${i}` }))
  await clock.run(p.send({ topic: 't', messages }))
  const partitions = Array.from({ length: 8 }, (_, i) => cluster.partition('t', i))
  assert.ok(
    partitions.every(partition => partition.batches.length >= 1),
    'every partition gets some',
  )
  const full = partitions.flatMap(partition => partition.batches).filter(batch => batch.length > 980)
  const all = partitions.flatMap(partition => partition.batches)
  assert.ok(full.length >= all.length - 1, 'all batches but the last are full')
  await clock.run(p.close())
})

test('producer: keyed messages go where Kafka puts them', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 7)
  const p = producer()
  const [fromText, fromBytes] = await clock.run(
    p.send({
      topic: 't',
      messages: [
        { key: 'foobar', value: '' },
        { key: new TextEncoder().encode('foobar'), value: '' },
      ],
    }),
  )
  assert.equal(fromText!.partition, (-790332482 & 0x7fffffff) % 7)
  assert.equal(fromBytes!.partition, fromText!.partition)
  const own = producer({ partitioner: (message, _topic, count) => (message.key === 'x' ? count - 1 : null) })
  const [mine] = await clock.run(own.send({ topic: 't', messages: [{ key: 'x', value: '' }] }))
  assert.equal(mine!.partition, 6)
  await clock.run(Promise.all([p.close(), own.close()]))
})

test('producer: compressed batches arrive compressed, and read back', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer({ compression: 'gzip' })
  await clock.run(p.send({ topic: 't', messages: Array.from({ length: 50 }, () => ({ value: 'y'.repeat(100) })) }))
  const { batches, records } = cluster.partition('t', 0)
  assert.equal(records.length, 50)
  assert.equal(text(records[49]!.value), 'y'.repeat(100))
  assert.ok(batches[0]!.length < 500)
  await clock.run(p.close())
})

test('producer: a full buffer makes send wait, in order, and never holds more than it may', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer({ bufferBytes: 2_000, batchBytes: 500, inFlightMax: 2 })
  await clock.run(p.send({ topic: 't', messages: [{ value: 'warm' }] }))
  let bufferedMax = 0
  let waitingMax = 0
  const sends: Promise<unknown>[] = []
  for (let i = 0; i < 100; i++) {
    const messages = [0, 1].map(j => ({ value: `${2 * i + j} ${'z'.repeat(100)}` }))
    sends.push(p.send({ topic: 't', messages }))
    const { bufferedBytes, sendsWaiting } = p.stats()
    bufferedMax = Math.max(bufferedMax, bufferedBytes)
    waitingMax = Math.max(waitingMax, sendsWaiting)
  }
  await clock.run(Promise.all(sends))
  assert.ok(waitingMax > 50, 'sends had to wait')
  assert.ok(bufferedMax < 2_000 + 250, `${bufferedMax} bytes were buffered`)
  const numbers = cluster
    .partition('t', 0)
    .records.slice(1)
    .map(record => Number.parseInt(text(record.value)!, 10))
  assert.deepEqual(
    numbers,
    Array.from({ length: 200 }, (_, i) => i),
  )
  const { bufferedBytes, sendsWaiting, recordsSent } = p.stats()
  assert.deepEqual(
    { bufferedBytes, sendsWaiting, recordsSent },
    { bufferedBytes: 0, sendsWaiting: 0, recordsSent: 201 },
  )
  await clock.run(p.close())
})

test('producer: a batch the broker finds too large is split, in order', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  cluster.messageBytesMax = 300
  const p = producer({ compression: 'gzip' })
  const random = new Uint8Array(64)
  const messages = Array.from({ length: 40 }, (_, i) => {
    for (let j = 0; j < random.length; j++) random[j] = (i * 31 + j * j * 17) & 0xff
    return { value: `${i}:${Buffer.from(random).toString('base64')}` }
  })
  const later = p.send({ topic: 't', messages })
  const behind = p.send({ topic: 't', messages: [{ value: '40:' }] })
  const results = await clock.run(later)
  assert.deepEqual(
    results.map(result => result.offset),
    Array.from({ length: 40 }, (_, i) => i),
  )
  assert.deepEqual(await behind, [{ topic: 't', partition: 0, offset: 40 }])
  const numbers = cluster.partition('t', 0).records.map(record => Number.parseInt(text(record.value)!, 10))
  assert.deepEqual(
    numbers,
    Array.from({ length: 41 }, (_, i) => i),
  )
  const { batchesSplit } = p.stats()
  assert.ok(batchesSplit > 2)
  await clock.run(p.close())
})

test('producer: a single record that is too large is refused, those behind it are not', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  cluster.messageBytesMax = 300
  const p = producer()
  const large = p.send({ topic: 't', messages: [{ value: 'x'.repeat(1_000) }] })
  const small = p.send({ topic: 't', messages: [{ value: 'small' }] })
  await assert.rejects(clock.run(large), isApiError('MESSAGE_TOO_LARGE'))
  assert.deepEqual(await clock.run(small), [{ topic: 't', partition: 0, offset: 0 }])
  await clock.run(p.close())
})

test('producer: acks 0 does not wait for answers, nor outruns the connection', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer({ acks: 0, batchBytes: 200 })
  assert.deepEqual(await clock.run(p.send({ topic: 't', messages: [{ value: 'a' }] })), [
    { topic: 't', partition: 0, offset: -1 },
  ])
  let unblock = () => {}
  const [connection] = cluster.connections
  connection!.blockedUntil = new Promise(resolve => {
    unblock = resolve
  })
  let isDone = false
  const blocked = p.send({ topic: 't', messages: [{ value: 'b' }] }).then(() => {
    isDone = true
  })
  await clock.advance(1_000)
  assert.equal(isDone, false)
  connection!.blockedUntil = null
  unblock()
  await clock.run(blocked)
  await clock.runUntil(() => cluster.partition('t', 0).records.length === 2)
  await clock.run(p.close())
})

test('producer: a message that cannot be sent refuses the whole send before anything is taken', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer()
  await clock.run(p.send({ topic: 't', messages: [{ value: 'warm' }] }))
  const bad: unknown[] = [
    { value: 1 },
    { value: undefined },
    { value: '', key: {} },
    { value: '', timestamp: 1.5 },
    { value: '', timestamp: -1 },
    { value: '', partition: -1 },
    { value: '', headers: { h: 1 } },
    { value: '', headers: [{ name: 'h', value: 'text' }] },
    null,
  ]
  for (const message of bad) {
    const messages = [{ value: 'fine' }, message as { value: string }]
    await assert.rejects(p.send({ topic: 't', messages }), (error: ApiError) => {
      return isApiError('INVALID_REQUEST')(error) && error.message.startsWith('messages[1]')
    })
  }
  await assert.rejects(p.send({ topic: '', messages: [] }), isApiError('INVALID_REQUEST'))
  assert.deepEqual(await p.send({ topic: 't', messages: [] }), [])
  await clock.run(p.flush())
  assert.equal(cluster.partition('t', 0).records.length, 1)
  await clock.run(p.close())
})

test('producer: options that cannot be are refused by name', () => {
  const { producer, ports, cluster } = startFake()
  const bootstrap = 'ws://node-1:9292'
  for (const [key, value] of Object.entries({
    lingerMs: -1,
    batchBytes: 0,
    inFlightMax: 0,
    acks: 2,
    compression: 'zip',
  })) {
    assert.throws(() => producer({ [key]: value }), { name: 'ConfigError', key })
  }
  for (const wrong of ['', [], 'http://x', [7 as unknown as string]]) {
    assert.throws(() => producer({ bootstrap: wrong }), { name: 'ConfigError', key: 'bootstrap' })
  }
  const clientId = 'x'.repeat(256)
  assert.throws(() => producer({ clientId }), { name: 'ConfigError', key: 'clientId' })
  const codecs = { gzip: null, snappy: null, lz4: null, zstd: null }
  assert.throws(() => new Producer({ ...ports, codecs, bootstrap, compression: 'zstd' }, cluster.connect), {
    code: 'UNSUPPORTED_COMPRESSION_TYPE',
  })
})

test('producer: no node to reach is an error that lists what was tried', async () => {
  const { clock, producer } = startFake()
  const p = producer({ bootstrap: ['ws://node-7:9292', 'ws://node-8:9292'], metadataTimeoutMs: 2_000 })
  const sent = p.send({ topic: 't', messages: [{ value: 'a' }] })
  await assert.rejects(clock.run(sent), (error: ApiError) => {
    assert.equal(error.code, 'NETWORK_EXCEPTION')
    assert.match(error.message, /ws:\/\/node-7:9292 \(.*refused.*ws:\/\/node-8:9292 \(.*refused/)
    return true
  })
  assert.ok(clock.nowMs() >= 2_000 && clock.nowMs() < 10_000)
  await clock.run(p.close())
})

test('producer: a topic nobody knows fails after a while; one that appears in time does not', async () => {
  const { clock, cluster, producer } = startFake()
  const p = producer({ metadataTimeoutMs: 3_000 })
  await assert.rejects(
    clock.run(p.send({ topic: 'missing', messages: [{ value: '' }] })),
    isApiError('UNKNOWN_TOPIC_OR_PARTITION'),
  )
  const sent = p.send({ topic: 'late', messages: [{ value: '' }] })
  await clock.advance(1_000)
  cluster.createTopic('late', 1)
  assert.deepEqual(await clock.run(sent), [{ topic: 'late', partition: 0, offset: 0 }])
  await clock.run(p.close())
})

test('producer: a partition that was just added is found, one that does not exist is refused', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer()
  await clock.run(p.send({ topic: 't', messages: [{ value: '' }] }))
  cluster.addPartition('t')
  assert.deepEqual(await clock.run(p.send({ topic: 't', messages: [{ value: '', partition: 1 }] })), [
    { topic: 't', partition: 1, offset: 0 },
  ])
  const refused = p.send({ topic: 't', messages: [{ value: '', partition: 5 }] })
  await assert.rejects(clock.run(refused), isApiError('UNKNOWN_TOPIC_OR_PARTITION'))
  await clock.run(p.close())
})

test('producer: what is not delivered in time is given up, with the reason', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer({ deliveryTimeoutMs: 2_000 })
  await clock.run(p.send({ topic: 't', messages: [{ value: 'a' }] }))
  cluster.partitionFault = () => 'NOT_ENOUGH_REPLICAS'
  const startMs = clock.nowMs()
  const late = p.send({ topic: 't', messages: [{ value: 'b' }] })
  await assert.rejects(clock.run(late), (error: ApiError) => {
    assert.equal(error.code, 'REQUEST_TIMED_OUT')
    assert.match(error.message, /not delivered within 2000 ms.*in-sync replicas/)
    return true
  })
  assert.ok(clock.nowMs() - startMs < 4_000)
  assert.equal(p.stats().recordsFailed, 1)
  cluster.partitionFault = () => null
  assert.deepEqual(await clock.run(p.send({ topic: 't', messages: [{ value: 'c' }] })), [
    { topic: 't', partition: 0, offset: 1 },
  ])
  await clock.run(p.close())
})

test('producer: an error that will not pass fails the send at once', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer()
  cluster.partitionFault = () => 'INVALID_TIMESTAMP'
  await assert.rejects(clock.run(p.send({ topic: 't', messages: [{ value: 'a' }] })), isApiError('INVALID_TIMESTAMP'))
  assert.equal(cluster.requests.filter(request => request.api === 'Produce').length, 1)
  await clock.run(p.close())
})

test('producer: abort ends the wait; what has no batch yet is not sent', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer({ bufferBytes: 500, batchBytes: 500 })
  await clock.run(p.send({ topic: 't', messages: [{ value: 'warm' }] }))
  const aborter = new AbortController()
  const filler = p.send({ topic: 't', messages: [{ value: 'f'.repeat(600) }] })
  const waiting = p.send({ topic: 't', messages: [{ value: 'never' }], signal: aborter.signal })
  const behind = p.send({ topic: 't', messages: [{ value: 'behind' }] })
  const reason = new Error('no longer wanted')
  aborter.abort(reason)
  await assert.rejects(waiting, error => error === reason)
  await clock.run(Promise.all([filler, behind]))
  assert.deepEqual(
    cluster.partition('t', 0).records.map(record => text(record.value)!.slice(0, 6)),
    ['warm', 'ffffff', 'behind'],
  )
  await assert.rejects(
    p.send({ topic: 't', messages: [{ value: '' }], signal: aborter.signal }),
    error => error === reason,
  )
  await clock.run(p.close())
})

test('producer: close sends what is there, refuses what comes after, and leaves no timer', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer({ lingerMs: 60_000 })
  const sent = p.send({ topic: 't', messages: [{ value: 'a' }] })
  const closed = p.close()
  await assert.rejects(p.send({ topic: 't', messages: [{ value: 'b' }] }), { name: 'AbortError' })
  await clock.run(closed)
  assert.deepEqual(await sent, [{ topic: 't', partition: 0, offset: 0 }])
  assert.equal(p.close(), p.close())
  assert.equal(cluster.connections.size, 0)
  assert.equal(clock.timerCount, 0)
})

test('producer: close with no node in reach ends by the delivery timeout', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer({ deliveryTimeoutMs: 5_000 })
  await clock.run(p.send({ topic: 't', messages: [{ value: 'a' }] }))
  cluster.downNodes.add(1)
  cluster.breakConnections(1)
  const lost = p.send({ topic: 't', messages: [{ value: 'b' }] })
  const closed = p.close()
  const startMs = clock.nowMs()
  await assert.rejects(clock.run(lost), isApiError('REQUEST_TIMED_OUT'))
  await clock.run(closed)
  assert.ok(clock.nowMs() - startMs < 8_000)
})

test('producer: a node that does not answer is asked again over another connection', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer({ requestTimeoutMs: 1_000 })
  await clock.run(p.send({ topic: 't', messages: [{ value: 'a' }] }))
  let produceCount = 0
  cluster.isSilent = api => api.name === 'Produce' && produceCount++ === 0
  const sent = p.send({ topic: 't', messages: [{ value: 'b' }] })
  const [result] = await clock.run(sent)
  // The first attempt was done, only its answer never came: at least once.
  assert.equal(result!.offset, 2)
  assert.equal(p.stats().connectionsOpened, 2)
  await clock.run(p.close())
})

test('producer: after a batch was too large the next ones are smaller', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  cluster.messageBytesMax = 3_000
  const p = producer({ batchBytes: 4_000 })
  const messages = Array.from({ length: 400 }, (_, i) => ({ value: String(i).padEnd(100) }))
  await clock.run(p.send({ topic: 't', messages: messages.slice(0, 100) }))
  const { batchesSplit } = p.stats()
  assert.ok(batchesSplit > 0)
  await clock.run(p.send({ topic: 't', messages: messages.slice(100) }))
  assert.equal(p.stats().batchesSplit, batchesSplit)
  await clock.run(p.close())
})
