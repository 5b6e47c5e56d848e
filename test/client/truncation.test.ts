/** Logs that unclean elections cut: what was handed out and is gone is told, what was only fetched ahead goes unseen. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LogTruncatedError } from '../../src/client/index.ts'
import type { Assignment, OutOfRangePolicy } from '../../src/index.ts'
import { runs } from '../support/depth.ts'
import { batchOf, startFake, take, text } from './harness.ts'

const at = { topic: 't', partition: 0 }

/** A topic `t` with one partition on two nodes: `count` records, three to a batch. */
function filled(count: number) {
  const fake = startFake({ nodes: 2 })
  fake.cluster.createTopic('t', 1)
  write(fake.cluster, count)
  return fake
}

function write(cluster: ReturnType<typeof startFake>['cluster'], count: number): void {
  const { leaderEpoch, endOffset } = cluster.partition('t', 0)
  for (let from = 0; from < count; from += 3) {
    const names = Array.from({ length: Math.min(3, count - from) }, (_, i) => `${leaderEpoch}:${endOffset + from + i}`)
    cluster.append('t', 0, batchOf(names))
  }
}

const valuesOf = (records: ReadonlyArray<{ value: Uint8Array | null }>) => records.map(record => text(record.value))
const names = (epoch: number, from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${epoch}:${from + i}`)

test('truncation: a position above it is an error that says where to go on, until somebody does', async () => {
  const { clock, cluster, consumer } = filled(12)
  const c = consumer({ topics: ['t'], from: 'start' })
  await clock.run(take(c, 12))
  assert.deepEqual(c.progress()[0]!.epochs, [{ epoch: 1, startOffset: 0 }])
  cluster.truncate('t', 0, 6, 2)
  write(cluster, 9)
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(clock.run(take(c, 1)), (error: LogTruncatedError) => {
      assert.ok(error instanceof LogTruncatedError)
      assert.equal(error.code, 'LOG_TRUNCATED')
      const { topic, partition, position, divergingOffset, epochs } = error
      assert.deepEqual([topic, partition, position, divergingOffset], ['t', 0, 12, 6])
      assert.deepEqual(epochs, [{ epoch: 1, startOffset: 0 }])
      assert.match(error.message, /t-0: the records from offset 6 to 12 \(exclusive\) .*; seek to 6/)
      return true
    })
  }
  c.seek({ ...at, offset: 6, epochs: [{ epoch: 1, startOffset: 0 }] })
  assert.deepEqual(valuesOf(await clock.run(take(c, 9))), names(2, 6, 15))
  const epochs = [
    { epoch: 1, startOffset: 0 },
    { epoch: 2, startOffset: 6 },
  ]
  assert.deepEqual(c.progress()[0]!.epochs, epochs)
  await clock.run(c.close())
})

test('truncation: with a policy the position goes back to where the logs part, and the log of the client says so', async () => {
  for (const policy of ['start', 'end'] as const) {
    const { clock, cluster, consumer, ports } = filled(12)
    const warnings: unknown[] = []
    const warn = (fields: object, message?: string) => warnings.push({ ...fields, message })
    const c = consumer({
      topics: ['t'],
      from: 'start',
      onOffsetOutOfRange: policy,
      logger: { ...ports.logger, warn },
    })
    await clock.run(take(c, 12))
    cluster.truncate('t', 0, 6, 2)
    write(cluster, 2)
    assert.deepEqual(valuesOf(await clock.run(take(c, 2))), names(2, 6, 8))
    assert.equal(warnings.length, 1)
    assert.match(JSON.stringify(warnings), /"resetTo":6,"error":"t-0: the records from offset 6 to 12/)
    await clock.run(c.close())
  }
})

test('truncation: what was fetched ahead and is gone is not handed out, and nobody hears of it', async () => {
  for (const left of [3, 6]) {
    const { clock, cluster, consumer } = filled(12)
    const c = consumer({ topics: ['t'], from: 'start', prefetchBytes: 1 << 20 })
    assert.equal((await clock.run(take(c, left))).length, left)
    await clock.advance(1_000)
    assert.equal(c.progress()[0]!.highWatermark, 12)
    cluster.truncate('t', 0, 6, 2)
    write(cluster, 3)
    // Its long poll at the old leader is over by then.
    await clock.advance(5_000)
    const rest = valuesOf(await clock.run(take(c, 9 - left)))
    assert.deepEqual(rest, [...names(1, left, 6), ...names(2, 6, 9)])
    assert.equal(c.progress()[0]!.highWatermark, 9)
    await clock.run(c.close())
  }
})

test('truncation: in the middle of a batch that is being handed out', async () => {
  const { clock, cluster, consumer } = filled(12)
  const c = consumer({ topics: ['t'], from: 'start' })
  await clock.run(take(c, 8))
  cluster.truncate('t', 0, 6, 2)
  write(cluster, 3)
  await clock.advance(5_000)
  await assert.rejects(clock.run(take(c, 1)), (error: LogTruncatedError) => {
    assert.deepEqual([error.position, error.divergingOffset], [8, 6])
    return true
  })
  await clock.run(c.close())
})

test('truncation: whoever resumes with the epoch of the record before his position is told, whoever has only the offset is not', async () => {
  const { clock, cluster, consumer } = filled(12)
  cluster.truncate('t', 0, 6, 2)
  write(cluster, 9)
  const begin = (assignment: Partial<Assignment>) => consumer({ assignments: [{ ...at, offset: 9, ...assignment }] })
  const told = begin({ epochs: [{ epoch: 1, startOffset: 8 }] })
  const epochs = [{ epoch: 1, startOffset: 5 }]
  await assert.rejects(clock.run(take(told, 1)), { code: 'LOG_TRUNCATED', position: 9, divergingOffset: 6, epochs })
  told.assign([{ ...at, offset: 6, epochs }])
  assert.deepEqual(valuesOf(await clock.run(take(told, 2))), names(2, 6, 8))
  const current = begin({ epochs: [{ epoch: 2, startOffset: 8 }] })
  const blind = begin({})
  for (const c of [current, blind]) assert.deepEqual(valuesOf(await clock.run(take(c, 2))), names(2, 9, 11))
  await clock.run(Promise.all([told, blind, current].map(c => c.close())))
})

test('truncation: a position above the end of what is left is a truncation, not only out of range', async () => {
  const { clock, cluster, consumer } = filled(12)
  const c = consumer({ topics: ['t'], from: 'start' })
  await clock.run(take(c, 12))
  cluster.truncate('t', 0, 0, 2)
  await assert.rejects(clock.run(take(c, 1)), { code: 'LOG_TRUNCATED', divergingOffset: 0, epochs: [] })
  await clock.run(c.close())
})

test('truncation: until the end, a log that was cut ends earlier', async () => {
  for (const policy of ['start', 'error'] as const) {
    const { clock, cluster, consumer } = filled(12)
    const c = consumer({ topics: ['t'], from: 'start', until: 'end', onOffsetOutOfRange: policy, partitionMaxBytes: 1 })
    assert.equal((await clock.run(take(c, 9))).length, 9)
    cluster.truncate('t', 0, 6, 2)
    write(cluster, 1)
    await clock.advance(5_000)
    if (policy === 'error') {
      await assert.rejects(clock.run(take(c, 9)), { code: 'LOG_TRUNCATED', divergingOffset: 6 })
      c.seek({ ...at, offset: 6 })
    }
    assert.deepEqual(valuesOf(await clock.run(take(c, 9))), names(2, 6, 7))
    await clock.run(c.close())
  }
})

test('truncation: until the end, a log that was cut where the position is ends there', async () => {
  const { clock, cluster, consumer } = filled(12)
  const c = consumer({ topics: ['t'], from: 'start', until: 'end', partitionMaxBytes: 1, prefetchBytes: 1_024 })
  assert.equal((await clock.run(take(c, 3))).length, 3)
  const rest = take(c, 9)
  await clock.advance(0)
  cluster.truncate('t', 0, c.progress()[0]!.position!, 2)
  const { endOffset } = cluster.partition('t', 0)
  assert.deepEqual(valuesOf(await clock.run(rest)), names(1, 3, endOffset))
  await clock.run(c.close())
})

test('truncation: until the end, another leader does not move it further away', async () => {
  const { clock, cluster, consumer } = filled(6)
  const partition = cluster.partition('t', 0)
  const c = consumer({ topics: ['t'], from: 'start', until: 'end', partitionMaxBytes: 1, prefetchBytes: 1_024 })
  assert.equal((await clock.run(take(c, 3))).length, 3)
  // It does not know yet how much is committed, and has more by the time it does.
  cluster.moveLeader('t', 0, 2)
  partition.highWatermark = 3
  write(cluster, 3)
  clock.setTimer(20_000, () => (partition.highWatermark = null))
  assert.deepEqual(valuesOf(await clock.run(take(c, 9))), names(1, 3, 6))
  await clock.run(c.close())
})

test('truncation: until the end, who resumes at the end is told if what he has is not in the log', async () => {
  const { clock, cluster, consumer } = filled(12)
  cluster.truncate('t', 0, 6, 2)
  write(cluster, 6)
  const begin = (epoch: number) =>
    consumer({ assignments: [{ ...at, offset: 12, epochs: [{ epoch, startOffset: 11 }] }], until: 'end' })
  const stale = begin(1)
  await assert.rejects(clock.run(take(stale, 1)), { code: 'LOG_TRUNCATED', position: 12, divergingOffset: 6 })
  const current = begin(2)
  assert.deepEqual(await clock.run(take(current, 1)), [])
  await clock.run(Promise.all([stale.close(), current.close()]))
})

test('truncation: that no epochs are known may be passed on', async () => {
  const { clock, consumer } = filled(3)
  for (const epochs of [[], undefined]) {
    const c = consumer({ assignments: [{ ...at, offset: 1, epochs }] })
    assert.deepEqual(c.progress()[0]!.epochs, [])
    assert.deepEqual(valuesOf(await clock.run(take(c, 2))), names(1, 1, 3))
    c.seek({ ...at, offset: 0, epochs })
    assert.equal(valuesOf(await clock.run(take(c, 3))).length, 3)
    await clock.run(c.close())
  }
})

/** Seed 9094 of the profile `unclean`: the old leader had more of its epoch than the log in which the next one began. */
test('truncation: whoever resumes is told of all that was replaced, also where an older epoch stands there now', async () => {
  const { clock, cluster, consumer } = filled(12)
  const longer = cluster.copyLog('t', 0)
  cluster.truncate('t', 0, 6, 2)
  write(cluster, 12)
  const reader = consumer({ topics: ['t'], from: 'start' })
  assert.deepEqual(valuesOf(await clock.run(take(reader, 18))), [...names(1, 0, 6), ...names(2, 6, 18)])
  const { position, epochs } = JSON.parse(JSON.stringify(reader.progress()[0]!))
  await clock.run(reader.close())
  cluster.restoreLog('t', 0, longer, 1)
  const resumed = consumer({ assignments: [{ ...at, offset: position, epochs }] })
  const told = { code: 'LOG_TRUNCATED', position: 18, divergingOffset: 6, epochs: [{ epoch: 1, startOffset: 0 }] }
  await assert.rejects(clock.run(take(resumed, 1)), told)
  await clock.run(resumed.close())
})

test('truncation: of what was read before the epochs that are known nothing is claimed', async () => {
  const { clock, cluster, consumer } = filled(12)
  const longer = cluster.copyLog('t', 0)
  cluster.truncate('t', 0, 6, 2)
  write(cluster, 12)
  cluster.restoreLog('t', 0, longer, 1)
  const c = consumer({ assignments: [{ ...at, offset: 18, epochs: [{ epoch: 2, startOffset: 9 }] }] })
  await assert.rejects(clock.run(take(c, 1)), { code: 'LOG_TRUNCATED', divergingOffset: 9, epochs: [] })
  await clock.run(c.close())
})

test('truncation: what listOffsets says can be assigned, though its epoch is that of the record there', async () => {
  const { clock, cluster, consumer } = filled(12)
  cluster.truncate('t', 0, 6, 2)
  write(cluster, 3)
  const listed = { ...at, offset: 6, timestamp: 1_000, leaderEpoch: 2 }
  const c = consumer({ assignments: [listed] })
  assert.deepEqual(valuesOf(await clock.run(take(c, 3))), names(2, 6, 9))
  await clock.run(c.close())
})

test('truncation: leader epochs go with a plain offset, and rise with the offsets', () => {
  const { consumer } = filled(0)
  const one = { epoch: 1, startOffset: 0 }
  const wrong: unknown[] = [
    { epochs: [one] },
    { offset: -1, epochs: [one] },
    { offset: 1, epochs: [{ epoch: -1, startOffset: 0 }] },
    { offset: 1, epochs: [{ epoch: 1, startOffset: -1 }] },
    { offset: 1, epochs: [one, { epoch: 1, startOffset: 1 }] },
    { offset: 1, epochs: [one, { epoch: 2, startOffset: 0 }] },
    { offset: 1, epochs: [null] },
    { offset: 1, epochs: 1 },
    { offset: 1, epochs: null },
  ]
  for (const assignment of wrong) {
    const assignments = [{ ...at, ...(assignment as Partial<Assignment>) }]
    assert.throws(() => consumer({ assignments }), { name: 'ConfigError', key: 'assignments' })
  }
})

const scenario = fc.record({
  seed: fc.integer(),
  recordsPerBatch: fc.integer({ min: 1, max: 5 }),
  prefetchBytes: fc.constantFrom(1_024, 1 << 20),
  partitionMaxBytes: fc.constantFrom(1, 300, 1 << 20),
  policy: fc.constantFrom<OutOfRangePolicy>('error', 'start'),
  isByBatch: fc.boolean(),
  breaks: fc.boolean(),
  hasRack: fc.boolean(),
  seeks: fc.boolean(),
})

test('truncation: over random elections, what a consumer holds in the end is the log', async () => {
  let told = 0
  await fc.assert(
    fc.asyncProperty(scenario, async s => {
      const { clock, cluster, random, ports, consumer } = startFake({ seed: s.seed, nodes: 3 })
      const chance = (probability: number): boolean => random.nextFloat() < probability
      cluster.createTopic('t', 2)
      const partitions = cluster.topics.get('t')!.partitions
      let isQuiet = false
      cluster.faultOf = () => {
        cluster.preferredReplica = !isQuiet && chance(0.5) ? 1 + random.nextInt(3) : -1
        return !isQuiet && s.breaks && chance(0.1) ? 'break after' : 'none'
      }
      let written = 0
      const write = (partition: number): void => {
        const values = Array.from({ length: 1 + random.nextInt(s.recordsPerBatch) }, () => String(written++))
        cluster.append('t', partition, batchOf(values))
      }
      /** Of each partition a replica that is left behind. */
      const behind = [0, 1].map(partition => cluster.copyLog('t', partition))
      const sleep = (ms: number) => new Promise<void>(resolve => clock.setTimer(ms, resolve))
      const work = async (): Promise<void> => {
        for (let i = 0; i < 60; i++) {
          await sleep(random.nextInt(60))
          const partition = random.nextInt(2)
          const { endOffset } = partitions[partition]!
          if (chance(0.75)) write(partition)
          else if (chance(0.5)) cluster.moveLeader('t', partition, 1 + random.nextInt(3))
          else if (chance(0.3)) behind[partition] = cluster.copyLog('t', partition)
          else if (chance(0.4)) cluster.restoreLog('t', partition, behind[partition]!, 1 + random.nextInt(3))
          else cluster.truncate('t', partition, Math.max(0, endOffset - random.nextInt(12)), 1 + random.nextInt(3))
        }
        isQuiet = true
        for (const partition of [0, 1]) write(partition)
      }

      /** What the application holds of each partition. */
      const seen: string[][] = [[], []]
      const cut = (partition: number, offset: number): void => {
        assert.ok(offset < seen[partition]!.length, 'told of what was handed out, and only of that')
        seen[partition]!.length = offset
        told++
      }
      const warn = ({ partition, resetTo }: { partition?: number; resetTo?: number }): void => {
        if (resetTo !== undefined) cut(partition!, resetTo)
      }
      const bootstrap = [1, 2, 3].map(cluster.urlOf)
      const { prefetchBytes, partitionMaxBytes, policy } = s
      const options = { prefetchBytes, partitionMaxBytes, bootstrap, onOffsetOutOfRange: policy, fetchMaxWaitMs: 20 }
      const logger = { ...ports.logger, warn: warn as typeof ports.logger.warn }
      const c = consumer({ topics: ['t'], from: 'start', rack: s.hasRack ? 'here' : undefined, ...options, logger })
      const see = (partition: number, record: { offset: number; value: Uint8Array | null }): void => {
        assert.equal(record.offset, seen[partition]!.length, 'the next offset')
        seen[partition]!.push(text(record.value)!)
      }
      const isDone = (): boolean =>
        isQuiet && partitions.every(({ records }, i) => records.map(r => text(r.value)).join() === seen[i]!.join())
      /** As a process does that ends and begins again with what it has noted. */
      const resume = (): void => {
        for (const { partition, position, epochs } of c.progress()) {
          if (position !== null) c.seek({ topic: 't', partition, offset: position, epochs })
        }
      }
      const read = async (): Promise<void> => {
        while (!isDone()) {
          try {
            if (s.isByBatch) {
              for await (const { partition, records } of c.batches()) {
                for (const record of records) see(partition, record)
                if (isDone() || chance(0.1)) break
              }
            } else {
              for await (const record of c) {
                see(record.partition, record)
                if (isDone() || chance(0.1)) break
              }
            }
            if (s.seeks && chance(0.5)) resume()
          } catch (error) {
            if (!(error instanceof LogTruncatedError)) throw error
            const { partition, divergingOffset, epochs, position } = error
            assert.equal(position, seen[partition]!.length)
            cut(partition, divergingOffset)
            c.seek({ topic: 't', partition, offset: divergingOffset, epochs })
          }
        }
      }
      const isLate = sleep(120_000).then(() => assert.fail('it holds something else, and was not told'))
      await clock.run(Promise.race([Promise.all([work(), read()]), isLate]))
      await clock.run(c.close())
    }),
    { numRuns: runs(40) },
  )
  assert.ok(told > 10, `told of ${told} truncations`)
})
