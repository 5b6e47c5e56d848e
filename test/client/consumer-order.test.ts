/**
 * A property of the consumer over a cluster that breaks connections, moves leaders, stands still, refuses and sends it to
 * followers, while records are being written and the application seeks, pauses and leaves its loop: each partition is handed out without a gap and without
 * a repeat.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { runs } from '../support/depth.ts'
import type { FakePartition } from './fake-cluster.ts'
import { startFake, text } from './harness.ts'

/** The partition's followers have everything. */
function catchUp(partition: FakePartition): void {
  partition.followerEnd = null
}

const scenario = fc.record({
  seed: fc.integer(),
  partitionCount: fc.integer({ min: 1, max: 5 }),
  recordCount: fc.integer({ min: 1, max: 150 }),
  recordsPerBatch: fc.integer({ min: 1, max: 9 }),
  prefetchBytes: fc.constantFrom(1_024, 8_192, 1 << 20),
  partitionMaxBytes: fc.constantFrom(1, 300, 1 << 20),
  gzip: fc.boolean(),
  isByBatch: fc.boolean(),
  breaks: fc.boolean(),
  moves: fc.boolean(),
  freezes: fc.boolean(),
  hasRack: fc.boolean(),
  refusals: fc.boolean(),
  acts: fc.boolean(),
})

test('consumer: no gap and no repeat over random failures', async () => {
  let failed = 0
  await fc.assert(
    fc.asyncProperty(scenario, async s => {
      const { clock, cluster, random, ports, consumer } = startFake({ seed: s.seed, nodes: 3 })
      const chance = (probability: number): boolean => random.nextFloat() < probability
      cluster.createTopic('t', s.partitionCount)
      let troubleLeft = 30
      cluster.faultOf = () => {
        if (troubleLeft <= 0) for (const { partitions } of cluster.topics.values()) partitions.forEach(catchUp)
        if (troubleLeft <= 0 || !chance(0.2)) return 'none'
        troubleLeft--
        if (s.moves && chance(0.5)) cluster.moveLeader('t', random.nextInt(s.partitionCount), 1 + random.nextInt(3))
        if (s.freezes && chance(0.1)) cluster.freezeForAWhile(1 + random.nextInt(3))
        cluster.preferredReplica = chance(0.5) ? 1 + random.nextInt(3) : -1
        const read = cluster.partition('t', random.nextInt(s.partitionCount))
        read.followerEnd = chance(0.5) ? random.nextInt(read.endOffset + 1) : null
        if (!s.breaks) return 'none'
        return chance(0.5) ? 'break before' : 'break after'
      }
      cluster.partitionFault = () => {
        if (!s.refusals || troubleLeft <= 0 || !chance(0.2)) return null
        troubleLeft--
        return (['KAFKA_STORAGE_ERROR', 'UNKNOWN_LEADER_EPOCH', 'BROKER_OVERLOADED'] as const)[random.nextInt(3)]!
      }
      const written = new Array<number>(s.partitionCount).fill(0)
      const write = (): void => {
        const partition = random.nextInt(s.partitionCount)
        const compression = s.gzip ? 'gzip' : 'none'
        const builder = new BatchBuilder({ bytesMax: 1 << 20, compression, codec: s.gzip ? ports.codecs.gzip : null })
        for (let i = 1 + random.nextInt(s.recordsPerBatch); i > 0; i--) {
          builder.tryAppend(null, String(written[partition]!++), null, 1)
        }
        cluster.append('t', partition, builder.finish() as Uint8Array)
      }
      const total = (): number => written.reduce((sum, count) => sum + count, 0)
      while (total() < s.recordCount / 2) write()

      const { prefetchBytes, partitionMaxBytes } = s
      const rack = s.hasRack ? 'here' : undefined
      const bootstrap = [1, 2, 3].map(cluster.urlOf)
      const limits = { prefetchBytes, partitionMaxBytes, fetchMaxWaitMs: 20 }
      const c = consumer({ topics: ['t'], from: 'start', bootstrap, rack, ...limits })
      const next = new Array<number>(s.partitionCount).fill(0)
      const see = (partition: number, record: { offset: number; value: Uint8Array | null }): void => {
        assert.equal(record.offset, next[partition], 'the next offset')
        assert.equal(text(record.value), String(record.offset))
        next[partition]!++
      }
      const paused = new Set<number>()
      const act = (): void => {
        const partition = random.nextInt(s.partitionCount)
        const at = { topic: 't', partition }
        if (chance(0.3)) {
          next[partition] = random.nextInt(next[partition]! + 1)
          c.seek({ ...at, offset: next[partition]! })
        } else if (paused.has(partition)) {
          paused.delete(partition)
          c.resume([at])
        } else if (paused.size + 1 < s.partitionCount) {
          paused.add(partition)
          c.pause([at])
        }
      }
      const isDone = (): boolean =>
        next.every((offset, partition) => offset === written[partition]) && total() >= s.recordCount
      const step = (): boolean => {
        if (total() < s.recordCount) write()
        if (s.acts && chance(0.1)) act()
        if (paused.size > 0 && (chance(0.2) || next.every((at, i) => at === written[i] || paused.has(i)))) {
          paused.clear()
          c.resume()
        }
        return isDone() || chance(0.1)
      }
      const loop = async (): Promise<void> => {
        while (!isDone()) {
          if (s.isByBatch && chance(0.5)) {
            for await (const { partition, records } of c.batches()) {
              for (const record of records) see(partition, record)
              if (step()) break
            }
          } else {
            for await (const record of c) {
              see(record.partition, record)
              if (step()) break
            }
          }
        }
      }
      await clock.run(loop())
      assert.ok(c.stats().bufferedBytes <= prefetchBytes + 2_000)
      failed += c.stats().fetchesFailed
      await clock.run(c.close())
      await clock.advance(10_000)
      assert.equal(clock.timerCount, 0)
    }),
    { numRuns: runs(120) },
  )
  assert.ok(failed > 20, `the runs had trouble: ${failed} failed fetches`)
})
