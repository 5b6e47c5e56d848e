import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../../src/protocol/errors.ts'
import { batchOf, startFake, take, text } from './harness.ts'

const isApiError = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code

/** A topic `t` with partitions of `perPartition` records each, three to a batch. */
function filled(perPartition: readonly number[], options: { seed?: number; nodes?: number } = {}) {
  const fake = startFake(options)
  fake.cluster.createTopic('t', perPartition.length)
  perPartition.forEach((count, partition) => {
    for (let from = 0; from < count; from += 3) {
      const values = Array.from({ length: Math.min(3, count - from) }, (_, i) => `${partition}:${from + i}`)
      fake.cluster.append('t', partition, batchOf(values, { timestamp: 1_000 + from }))
    }
  })
  return fake
}

const values = (records: ReadonlyArray<{ value: Uint8Array | null }>) => records.map(record => text(record.value))
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `0:${from + i}`)

test('consumer: all records of all partitions, each partition in order', async () => {
  const { clock, consumer } = filled([10, 0, 7], { nodes: 2 })
  const c = consumer({ topics: ['t'], from: 'start' })
  const records = await clock.run(take(c, 17))
  for (const partition of [0, 1, 2]) {
    const own = records.filter(record => record.partition === partition)
    assert.deepEqual(
      values(own),
      Array.from({ length: [10, 0, 7][partition]! }, (_, i) => `${partition}:${i}`),
    )
    assert.deepEqual(
      own.map(record => record.offset),
      own.map((_, i) => i),
    )
  }
  assert.deepEqual(Object.keys(records[0]!), ['topic', 'partition', 'offset', 'timestamp', 'key', 'value', 'headers'])
  assert.equal(c.position({ topic: 't', partition: 2 }), 7)
  await clock.run(c.close())
})

test('consumer: start positions', async () => {
  const { clock, cluster, consumer } = filled([12])
  cluster.partition('t', 0).logStartOffset = 2
  const starts: Array<[Parameters<typeof consumer>[0] extends infer _ ? unknown : never, number]> = [
    ['start', 2],
    ['end', 12],
    [5, 5],
    [-3, 9],
    [-100, 2],
    [{ timestampMs: 1_006 }, 6],
    [{ timestampMs: 1_004 }, 6],
    [{ timestampMs: 99_999 }, 12],
  ]
  for (const [from, expected] of starts) {
    const c = consumer({ topics: ['t'], from: from as 'start' })
    const next = take(c, 1)
    await clock.runUntil(() => {
      try {
        return c.position({ topic: 't', partition: 0 }) !== null
      } catch {
        return false
      }
    })
    assert.equal(c.position({ topic: 't', partition: 0 }), expected, JSON.stringify(from))
    if (expected < 12) assert.equal((await clock.run(next))[0]!.offset, expected)
    await clock.run(c.close())
    await next
  }
})

test('consumer: by default what is written from now on', async () => {
  const { clock, cluster, consumer } = filled([6])
  const c = consumer({ topics: ['t'] })
  const next = take(c, 1)
  await clock.advance(2_000)
  cluster.append('t', 0, batchOf(['new']))
  assert.deepEqual(values(await clock.run(next)), ['new'])
  await clock.run(c.close())
})

test('consumer: leaving a loop and coming back repeats nothing and skips nothing', async () => {
  const { clock, consumer } = filled([10])
  const c = consumer({ topics: ['t'], from: 'start' })
  const first = await clock.run(take(c, 4))
  const batches: string[] = []
  for await (const batch of c.batches()) {
    batches.push(...values(batch.records).map(String))
    assert.equal(batch.highWatermark, 10)
    if (batches.length >= 4) break
  }
  const rest = await clock.run(take(c, 1))
  assert.deepEqual([...values(first), ...batches, ...values(rest)], range(0, 10))
  await clock.run(c.close())
})

test('consumer: until end stops at the end, also of empty partitions', async () => {
  const { clock, cluster, consumer } = filled([7, 0, 3])
  const c = consumer({ topics: ['t'], from: 'start', until: 'end' })
  const seen: string[] = []
  const loop = (async () => {
    for await (const record of c) {
      seen.push(text(record.value)!)
      // What comes after the iteration began is not part of it.
      if (seen.length === 1) cluster.append('t', 0, batchOf(['late', 'later']))
    }
  })()
  await clock.run(loop)
  assert.equal(seen.length, 10)
  assert.ok(!seen.includes('late'))
  await clock.run(c.close())
  cluster.createTopic('empty', 2)
  const none = consumer({ topics: ['empty'], from: 'start', until: 'end' })
  assert.deepEqual(await clock.run(take(none, 1)), [])
  await clock.run(none.close())
})

test('consumer: seek, forward and back, while iterating and before', async () => {
  const { clock, consumer } = filled([20])
  const c = consumer({ topics: ['t'], from: 'start' })
  c.seek({ topic: 't', partition: 0, offset: 2 })
  const seen: string[] = []
  const loop = (async () => {
    for await (const record of c) {
      seen.push(text(record.value)!)
      if (seen.length === 2) c.seek({ topic: 't', partition: 0, offset: 10 })
      if (seen.length === 4) c.seek({ topic: 't', partition: 0, offset: 'start' })
      if (seen.length === 6) c.seek({ topic: 't', partition: 0, offset: -1 })
      if (seen.length === 7) break
    }
  })()
  await clock.run(loop)
  assert.deepEqual(seen, ['0:2', '0:3', '0:10', '0:11', '0:0', '0:1', '0:19'])
  assert.throws(() => c.seek({ topic: 't', partition: 4, offset: 0 }), isApiError('INVALID_REQUEST'))
  assert.throws(() => c.seek({ topic: 't', partition: 0, offset: 1.5 }), { name: 'ConfigError' })
  await clock.run(c.close())
})

test('consumer: a paused partition hands out nothing until it is resumed', async () => {
  const { clock, consumer } = filled([9, 9])
  const c = consumer({ topics: ['t'], from: 'start' })
  const first = await clock.run(take(c, 1))
  const paused = { topic: 't', partition: first[0]!.partition }
  c.pause([paused])
  assert.deepEqual(
    c.progress().map(p => p.isPaused),
    [0, 1].map(partition => partition === paused.partition),
  )
  const others = await clock.run(take(c, 9))
  assert.ok(others.every(record => record.partition !== paused.partition))
  const waiting = take(c, 1)
  await clock.advance(3_000)
  c.resume()
  const [next] = await clock.run(waiting)
  assert.deepEqual([next!.partition, next!.offset], [paused.partition, 1])
  await clock.run(c.close())
})

test('consumer: assign while iterating', async () => {
  const { clock, cluster, consumer } = filled([6, 6])
  cluster.createTopic('u', 1)
  cluster.append('u', 0, batchOf(['u0', 'u1']))
  const c = consumer({ assignments: [{ topic: 't', partition: 0 }], from: 'start' })
  assert.equal((await clock.run(take(c, 2))).length, 2)
  c.assign([
    { topic: 't', partition: 0 },
    { topic: 't', partition: 1, offset: 4 },
    { topic: 'u', partition: 0, offset: 'start' },
  ])
  const records = await clock.run(take(c, 8))
  assert.deepEqual(values(records).sort(), ['0:2', '0:3', '0:4', '0:5', '1:4', '1:5', 'u0', 'u1'])
  c.assign([{ topic: 'u', partition: 0, offset: 1 }])
  assert.deepEqual(values(await clock.run(take(c, 1))), ['u1'])
  assert.throws(() => c.position({ topic: 't', partition: 0 }), isApiError('INVALID_REQUEST'))
  await clock.run(c.close())
})

test('consumer: prefetch is bounded by bytes', async () => {
  const { clock, cluster, consumer } = startFake()
  cluster.createTopic('t', 2)
  for (let i = 0; i < 400; i++) cluster.append('t', i % 2, batchOf([`${i} ${'x'.repeat(1_000)}`]))
  const prefetchBytes = 40_000
  const c = consumer({ topics: ['t'], from: 'start', prefetchBytes, partitionMaxBytes: 8_000 })
  await clock.run(take(c, 1))
  await clock.advance(10_000)
  const { bufferedBytes } = c.stats()
  assert.ok(bufferedBytes > prefetchBytes / 4 && bufferedBytes <= prefetchBytes, `${bufferedBytes} bytes are buffered`)
  const fetches = c.stats().fetchesSent
  await clock.advance(10_000)
  assert.equal(c.stats().fetchesSent, fetches, 'nothing is fetched while nothing is read')
  assert.equal((await clock.run(take(c, 399))).length, 399)
  assert.equal(c.stats().bytesFetched, 400 * batchOf([`${100} ${'x'.repeat(1_000)}`]).length - (10 * 2 + 90))
  await clock.run(c.close())
})

test('consumer: the first batch may be larger than every limit', async () => {
  const { clock, cluster, consumer } = startFake()
  cluster.createTopic('t', 1)
  cluster.append('t', 0, batchOf(['x'.repeat(50_000)]))
  cluster.append('t', 0, batchOf(['small']))
  const c = consumer({ topics: ['t'], from: 'start', prefetchBytes: 1_024, fetchMaxBytes: 10, partitionMaxBytes: 10 })
  const records = await clock.run(take(c, 2))
  assert.equal(records[0]!.value!.length, 50_000)
  await clock.run(c.close())
})

test('consumer: a damaged batch is an error that names the way past it', async () => {
  const { clock, cluster, consumer } = filled([9])
  const [, damaged] = cluster.partition('t', 0).batches
  damaged![damaged!.length - 2]! ^= 1
  const c = consumer({ topics: ['t'], from: 'start' })
  const seen: string[] = []
  const loop = async (count: number) => {
    for await (const record of c) {
      seen.push(text(record.value)!)
      if (seen.length === count) break
    }
  }
  const isDamage = (error: ApiError) => {
    assert.equal(error.code, 'CORRUPT_MESSAGE')
    assert.match(error.message, /t-0: the batch at offset 3 .*seek to 6/)
    return true
  }
  await assert.rejects(clock.run(loop(9)), isDamage)
  await assert.rejects(clock.run(loop(9)), isDamage, 'it stays an error until something is done')
  assert.equal(c.position({ topic: 't', partition: 0 }), 3)
  c.seek({ topic: 't', partition: 0, offset: 6 })
  await clock.run(loop(6))
  assert.deepEqual(seen, [...range(0, 3), ...range(6, 9)])
  await clock.run(c.close())
})

test('consumer: whoever goes on after an error of a partition reads the others, and is told again now and then', async () => {
  const { clock, cluster, consumer } = filled([3, 3])
  let isRefused = true
  cluster.partitionFault = (_topic, partition) => (isRefused && partition === 0 ? 'TOPIC_AUTHORIZATION_FAILED' : null)
  const c = consumer({ topics: ['t'], from: 'start' })
  const read: string[] = []
  const told: number[] = []
  const reading = (async () => {
    for (let isOver = false; !isOver; ) {
      try {
        for await (const record of c) read.push(text(record.value)!)
        isOver = true
      } catch (error) {
        assert.ok(isApiError('TOPIC_AUTHORIZATION_FAILED')(error))
        told.push(clock.nowMs())
        // Were it told without end, no timer could end this test.
        assert.ok(told.length < 1_000, 'it does nothing else')
      }
    }
  })()
  await clock.advance(5_000)
  assert.deepEqual(read, ['1:0', '1:1', '1:2'])
  cluster.append('t', 1, batchOf(['1:3']))
  await clock.advance(5_000)
  assert.deepEqual(read.slice(3), ['1:3'])
  // 100 ms, doubling up to a second, a fifth more or less.
  assert.ok(told.length >= 8 && told.length <= 18, `told ${told.length} times`)
  isRefused = false
  c.seek({ topic: 't', partition: 0, offset: 1 })
  await clock.advance(1_000)
  assert.deepEqual(read.slice(4), ['0:1', '0:2'])
  await clock.run(c.close())
  await clock.run(reading)
})

test('consumer: what is no sequence of batches at all is an error too', async () => {
  const { clock, cluster, consumer } = filled([3])
  cluster.partition('t', 0).batches[0]![8] = 0xff
  const c = consumer({ topics: ['t'], from: 'start' })
  await assert.rejects(clock.run(take(c, 1)), isApiError('CORRUPT_MESSAGE'))
  await clock.run(c.close())
})

test('consumer: a position that is gone is an error, or the start, or the end, as told', async () => {
  for (const policy of ['error', 'start', 'end'] as const) {
    const { clock, cluster, consumer } = filled([12])
    const c = consumer({ assignments: [{ topic: 't', partition: 0, offset: 1 }], onOffsetOutOfRange: policy })
    cluster.partition('t', 0).logStartOffset = 6
    if (policy === 'error') {
      await assert.rejects(clock.run(take(c, 1)), (error: ApiError) => {
        assert.equal(error.code, 'OFFSET_OUT_OF_RANGE')
        assert.match(error.message, /t-0: .*Offset 1 was asked for/)
        return true
      })
      c.seek({ topic: 't', partition: 0, offset: 7 })
      assert.equal((await clock.run(take(c, 1)))[0]!.offset, 7)
    } else {
      const next = take(c, 1)
      await clock.advance(5_000)
      cluster.append('t', 0, batchOf(['new']))
      assert.equal((await clock.run(next))[0]!.offset, policy === 'start' ? 6 : 12)
    }
    await clock.run(c.close())
  }
})

test('consumer: until the end, a position beyond it is no success', async () => {
  for (const policy of [undefined, 'start', 'end'] as const) {
    const { clock, consumer } = filled([5])
    const assignments = [{ topic: 't', partition: 0, offset: 6 }]
    const c = consumer({ assignments, until: 'end', onOffsetOutOfRange: policy })
    const reading = clock.run(take(c, 9))
    if (policy === undefined) {
      await assert.rejects(reading, (error: ApiError) => {
        assert.equal(error.code, 'OFFSET_OUT_OF_RANGE')
        assert.match(error.message, /t-0: .*Offset 6 was asked for/)
        return true
      })
    } else assert.equal((await reading).length, policy === 'start' ? 5 : 0)
    const atEnd = consumer({ assignments: [{ topic: 't', partition: 0, offset: 5 }], until: 'end' })
    assert.deepEqual(await clock.run(take(atEnd, 1)), [])
    await clock.run(Promise.all([c.close(), atEnd.close()]))
  }
})

test('consumer: until the end, a position is not beyond it because a leader that was replaced says so', async () => {
  const { clock, cluster, consumer } = filled([7])
  const found = { topic: 't', partition: 0, errorCode: 0, errorMessage: null, timestamp: -1, leaderEpoch: 0 }
  cluster.handlers.set('ListOffsets', () => ({ partitions: [{ ...found, offset: 5 }] }))
  const c = consumer({ assignments: [{ topic: 't', partition: 0, offset: 6 }], until: 'end' })
  assert.deepEqual(await clock.run(take(c, 1)), [])
  await clock.run(c.close())
})

test('consumer: a position that is reset by policy is in the log of the client', async () => {
  const { clock, cluster, ports, consumer } = filled([12])
  const warnings: unknown[] = []
  const logger = { ...ports.logger, warn: (fields: object, message?: string) => warnings.push({ ...fields, message }) }
  cluster.partition('t', 0).logStartOffset = 6
  const assignments = [{ topic: 't', partition: 0, offset: 1 }]
  const c = consumer({ assignments, onOffsetOutOfRange: 'start', logger })
  assert.equal((await clock.run(take(c, 1)))[0]!.offset, 6)
  assert.match(JSON.stringify(warnings), /"topic":"t","partition":0,"resetTo":"start".*the position was reset/)
  await clock.run(c.close())
})

test('consumer: the high watermark it shows never goes back, though a new leader may know less', async () => {
  const { clock, cluster, consumer } = filled([9], { nodes: 2 })
  const c = consumer({ topics: ['t'], from: 'start' })
  await clock.run(take(c, 9))
  const shown = () => c.progress()[0]!.highWatermark
  assert.equal(shown(), 9)
  const partition = cluster.partition('t', 0)
  cluster.moveLeader('t', 0, 2)
  partition.highWatermark = 7
  cluster.append('t', 0, batchOf(['10th']))
  await clock.advance(1_000)
  assert.equal(shown(), 9)
  partition.highWatermark = null
  assert.equal((await clock.run(take(c, 1)))[0]!.offset, 9)
  assert.equal(shown(), 10)
  await clock.run(c.close())
})

test('consumer: a partition that is added later is read from its start', async () => {
  const { clock, cluster, consumer } = filled([3])
  const c = consumer({ topics: ['t'], metadataMaxAgeMs: 5_000 })
  const next = take(c, 2)
  await clock.advance(1_000)
  cluster.addPartition('t')
  cluster.append('t', 1, batchOf(['1:0', '1:1']))
  assert.deepEqual(values(await clock.run(next)), ['1:0', '1:1'])
  await clock.run(c.close())
})

test('consumer: a topic that was deleted and created anew is an error, not a gap', async () => {
  const { clock, cluster, consumer } = filled([6])
  const c = consumer({ topics: ['t'], from: 'start' })
  assert.equal((await clock.run(take(c, 6))).length, 6)
  cluster.createTopic('t', 1, 'another-id')
  cluster.append('t', 0, batchOf(['again']))
  await assert.rejects(clock.run(take(c, 1)), isApiError('UNKNOWN_TOPIC_ID'))
  c.seek({ topic: 't', partition: 0, offset: 'start' })
  assert.deepEqual(values(await clock.run(take(c, 1))), ['again'])
  cluster.topics.delete('t')
  await assert.rejects(clock.run(take(c, 1)), isApiError('UNKNOWN_TOPIC_OR_PARTITION'))
  await clock.run(c.close())
})

test('consumer: a topic nobody knows, and no node to reach', async () => {
  const { clock, consumer } = startFake()
  const c = consumer({ topics: ['missing'] })
  await assert.rejects(clock.run(take(c, 1)), isApiError('UNKNOWN_TOPIC_OR_PARTITION'))
  await clock.run(c.close())
  const lost = consumer({ topics: ['t'], bootstrap: 'ws://node-9:9292' })
  await assert.rejects(clock.run(take(lost, 1)), isApiError('NETWORK_EXCEPTION'))
  await clock.run(lost.close())
})

test('consumer: deserializers, and what happens when one throws', async () => {
  const { clock, cluster, consumer } = filled([3])
  cluster.append('t', 0, batchOf(['no number']))
  const value = (bytes: Uint8Array | null, at: { offset: number }): number => {
    const number = Number(text(bytes)!.slice(2))
    if (Number.isNaN(number)) throw new TypeError(`no number at ${at.offset}`)
    return number
  }
  const c = consumer<Uint8Array | null, number>({ topics: ['t'], from: 'start', deserializers: { value } })
  const records = await clock.run(take(c, 3))
  assert.deepEqual(
    records.map(record => record.value),
    [0, 1, 2],
  )
  await assert.rejects(clock.run(take(c, 1)), { name: 'TypeError', message: 'no number at 3' })
  await assert.rejects(c.batches().next(), { name: 'TypeError' })
  assert.equal(c.position({ topic: 't', partition: 0 }), 3)
  c.seek({ topic: 't', partition: 0, offset: 1 })
  const batch = await clock.run(c.batches().next())
  assert.deepEqual(
    batch.value!.records.map(record => record.value),
    [1, 2],
  )
  await clock.run(c.close())
})

test('consumer: codecs that only have promises', async () => {
  const { clock, cluster, ports, consumer } = startFake()
  cluster.createTopic('t', 1)
  for (let i = 0; i < 5; i++) cluster.append('t', 0, batchOf([`${i}a`, `${i}b`], { compression: 'gzip' }))
  const { gzip } = ports.codecs
  const slow = {
    compress: gzip!.compress,
    decompress: async (bytes: Uint8Array, max: number) => gzip!.decompress(bytes, max),
  }
  Object.assign(ports, { codecs: { gzip: slow, snappy: null, lz4: null, zstd: null } })
  const c = consumer({ topics: ['t'], from: 'start', until: 'end' })
  assert.deepEqual(values(await clock.run(take(c, 11))), ['0a', '0b', '1a', '1b', '2a', '2b', '3a', '3b', '4a', '4b'])
  await clock.run(c.close())
})

test('consumer: close ends an iteration that has not begun, because nobody can be reached', async () => {
  const { clock, cluster, consumer } = filled([3])
  for (const nodeId of [1, 2, 3]) cluster.downNodes.add(nodeId)
  const c = consumer({ topics: ['t'] })
  let isOver = false
  const waiting = take(c, 1).finally(() => {
    isOver = true
  })
  await clock.advance(300)
  assert.equal(isOver, false)
  await clock.run(c.close())
  await clock.advance(10_000)
  assert.equal(isOver, true)
  assert.deepEqual(await waiting, [])
})

test('consumer: close and abort end an iteration that waits', async () => {
  const { clock, cluster, consumer } = filled([3])
  const c = consumer({ topics: ['t'] })
  const waiting = take(c, 1)
  await clock.advance(1_000)
  await clock.run(c.close())
  assert.deepEqual(await waiting, [])
  assert.deepEqual(await take(c, 1), [])
  const aborter = new AbortController()
  const aborted = consumer({ topics: ['t'], signal: aborter.signal })
  const pending = take(aborted, 1)
  await clock.advance(1_000)
  const reason = new Error('enough')
  aborter.abort(reason)
  await assert.rejects(pending, error => error === reason)
  await clock.run(aborted.close())
  await clock.advance(100)
  assert.equal(clock.timerCount, 0)
  assert.equal(cluster.connections.size, 0)
})

test('consumer: options that cannot be are refused by name, groups among them', () => {
  const { consumer } = startFake()
  const wrong: Array<[string, object]> = [
    ['groupId', { groupId: 'g', topics: ['t'] }],
    ['from', { from: 'now' }],
    ['from', { from: { timestampMs: 0.5 } }],
    ['topics', { topics: 't' }],
    ['assignments', { topics: ['t'], assignments: [{ topic: 't', partition: 0 }] }],
    ['assignments', { assignments: [{ topic: 't', partition: -1 }] }],
    ['isolationLevel', { isolationLevel: 'serializable' }],
    ['until', { until: 'noon' }],
    ['prefetchBytes', { prefetchBytes: 1 }],
  ]
  for (const [key, options] of wrong) assert.throws(() => consumer(options), { name: 'ConfigError', key })
  assert.throws(() => consumer({ groupId: 'g' } as object), /no consumer groups yet/)
})

test('consumer: buffered records cost one microtask each', async () => {
  const { clock, consumer } = filled([9])
  const c = consumer({ topics: ['t'], from: 'start' })
  await clock.run(take(c, 1))
  await clock.settle()
  const iterator = c[Symbol.asyncIterator]()
  let isHere = false
  iterator.next().then(
    () => {
      isHere = true
    },
    () => {},
  )
  await null
  assert.ok(isHere)
  await clock.run(c.close())
})
