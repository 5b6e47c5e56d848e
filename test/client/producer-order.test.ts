/**
 * Properties of the producer over a cluster that breaks connections, moves leaders, stands still and refuses: what was acknowledged
 * is where the acknowledgement says, nothing is lost, order per partition is kept, and nothing is written twice unless
 * an answer was lost.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RecordMetadata } from '../../src/client/producer/types.ts'
import { runs } from '../support/depth.ts'
import { startFake, text } from './harness.ts'

const scenario = fc.record({
  seed: fc.integer(),
  partitionCount: fc.integer({ min: 1, max: 4 }),
  sendCount: fc.integer({ min: 1, max: 60 }),
  messagesMax: fc.integer({ min: 1, max: 8 }),
  inFlightMax: fc.constantFrom(1, 2, 5),
  batchBytes: fc.constantFrom(120, 400, 65_536),
  bufferBytes: fc.constantFrom(300, 1_000, 1_000_000),
  compression: fc.constantFrom('none', 'gzip'),
  lingerMs: fc.constantFrom(0, 2),
  breaks: fc.boolean(),
  moves: fc.boolean(),
  freezes: fc.boolean(),
  refusals: fc.boolean(),
  tooLarge: fc.boolean(),
})

test('producer: acknowledged, complete and in order over random failures', async () => {
  let retried = 0
  let split = 0
  await fc.assert(
    fc.asyncProperty(scenario, async s => {
      const { clock, cluster, random, producer } = startFake({ seed: s.seed, nodes: 3 })
      cluster.createTopic('t', s.partitionCount)
      const chance = (probability: number): boolean => random.nextFloat() < probability
      // After this much trouble there is none, so that the run ends.
      let troubleLeft = 40
      let lostAnswers = 0
      cluster.faultOf = api => {
        if (troubleLeft <= 0 || api.name === 'Metadata') return 'none'
        if (s.moves && chance(0.1)) {
          troubleLeft--
          cluster.moveLeader('t', random.nextInt(s.partitionCount), 1 + random.nextInt(3))
        }
        if (s.freezes && chance(0.05)) {
          troubleLeft -= 5
          cluster.freezeForAWhile(1 + random.nextInt(3))
        }
        if (!s.breaks || !chance(0.15)) return 'none'
        troubleLeft--
        // Answers of earlier requests that are still on their way are lost as well.
        lostAnswers++
        return chance(0.5) ? 'break before' : 'break after'
      }
      cluster.partitionFault = () => {
        if (!s.refusals || troubleLeft <= 0 || !chance(0.2)) return null
        troubleLeft--
        return (['NOT_ENOUGH_REPLICAS', 'DISK_FULL', 'LEADER_NOT_AVAILABLE', 'REQUEST_TIMED_OUT'] as const)[
          random.nextInt(4)
        ]!
      }
      if (s.tooLarge) cluster.messageBytesMax = 200

      const { inFlightMax, batchBytes, bufferBytes, lingerMs } = s
      const compression = s.compression as 'none' | 'gzip'
      const bootstrap = [1, 2, 3].map(cluster.urlOf)
      const p = producer({ bootstrap, inFlightMax, batchBytes, bufferBytes, compression, lingerMs })
      const sent: Array<{ values: string[]; promise: Promise<RecordMetadata[]> }> = []
      let next = 0
      for (let i = 0; i < s.sendCount; i++) {
        const messages = Array.from({ length: 1 + random.nextInt(s.messagesMax) }, () => {
          const value = String(next++)
          if (chance(0.3)) return { value }
          return chance(0.5)
            ? { value, key: `key ${random.nextInt(5)}` }
            : { value, partition: random.nextInt(s.partitionCount) }
        })
        const promise = p.send({ topic: 't', messages })
        promise.catch(() => {})
        sent.push({ values: messages.map(message => message.value), promise })
        if (chance(0.3)) await clock.advance(random.nextFloat() * 4)
      }
      await clock.run(p.close())

      for (const { values, promise } of sent) {
        const results = await promise
        assert.equal(results.length, values.length)
        results.forEach(({ partition, offset }, i) => {
          const record = cluster.partition('t', partition).records[offset]
          assert.equal(record?.offset, offset)
          assert.equal(text(record!.value), values[i], 'the record is where the answer says')
        })
      }
      const seen: string[] = []
      for (const { records } of cluster.topics.get('t')!.partitions) {
        const numbers = records.map(record => Number(text(record.value)))
        const firsts = numbers.filter((number, i) => numbers.indexOf(number) === i)
        assert.deepEqual(
          firsts,
          firsts.toSorted((a, b) => a - b),
          'order of a partition',
        )
        if (lostAnswers === 0) assert.equal(firsts.length, numbers.length, 'no record twice')
        seen.push(...firsts.map(String))
      }
      assert.equal(seen.length, next, 'every record once, in one partition')
      const { bufferedBytes, sendsWaiting, batchesRetried, batchesSplit } = p.stats()
      assert.deepEqual({ bufferedBytes, sendsWaiting }, { bufferedBytes: 0, sendsWaiting: 0 })
      // What the network still carries, or a frozen node holds, arrives nowhere.
      await clock.advance(10_000)
      assert.equal(clock.timerCount, 0, 'no timer is left')
      retried += batchesRetried
      split += batchesSplit
    }),
    { numRuns: runs(150) },
  )
  assert.ok(retried > 50 && split > 0, `the runs had trouble: ${retried} retries, ${split} splits`)
})

test('producer: what may be on its way out still is not overwritten by later batches', async () => {
  const { clock, cluster, producer } = startFake()
  cluster.createTopic('t', 1)
  const p = producer({ inFlightMax: 1, batchBytes: 4_096 })
  let broken = 0
  const onTheWay: { records: Uint8Array; copy: Uint8Array }[] = []
  cluster.faultOf = (api, body) => {
    if (api.name !== 'Produce' || broken++ % 3 !== 0) return 'none'
    const { records } = (body as { partitions: [{ records: Uint8Array }] }).partitions[0]
    onTheWay.push({ records, copy: records.slice() })
    return broken % 2 === 0 ? 'break before' : 'break after'
  }
  for (let i = 0; i < 60; i++) {
    const value = `record ${i} ${'x'.repeat(1_000 + i)}`
    await clock.run(p.send({ topic: 't', messages: [{ value }, { value }] }))
  }
  assert.ok(onTheWay.length > 20)
  for (const { records, copy } of onTheWay) assert.deepEqual(records, copy)
  await clock.run(p.close())
})
