/** Where two logs part, and how far they are committed, against slow ways to say the same; any logs, any followers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EpochTrail } from '../../src/client/consumer/epoch-trail.ts'
import { hintBelow, nextAfter, readerDivergence } from '../../src/replication/divergence.ts'
import { toBrokerEpoch, toLeaderEpoch } from '../../src/util/numbers.ts'
import { runs } from '../support/depth.ts'
import { MemoryLog } from './memory-log.ts'
import { exchange, followerOf, leaderOf, one, termsOf, three, two } from './pair.ts'

const numRuns = runs(300)

/** Runs of epochs that rise: what a leader of each appended. */
const tail = (lowest: number): fc.Arbitrary<number[]> =>
  fc
    .array(fc.record({ step: fc.integer({ min: 0, max: 2 }), count: fc.integer({ min: 1, max: 4 }) }), { maxLength: 6 })
    .map(spans => {
      let epoch = lowest
      return spans.flatMap(({ step, count }) => {
        epoch = Math.min(8, epoch + step)
        return new Array<number>(count).fill(epoch)
      })
    })

/**
 * Two logs of one partition: one beginning, then each its own way. One epoch has one leader, so where they part they are
 * of different epochs; from there on one has the even ones and the other the odd ones.
 */
const logPairs = fc
  .record({ shared: tail(0), leader: tail(0), follower: tail(0) })
  .map(({ shared, leader, follower }) => {
    const lowest = (shared.at(-1) ?? 0) + 1
    const part = (own: readonly number[], parity: number) => own.map(epoch => lowest + 2 * epoch + parity)
    return { shared, leader: [...shared, ...part(leader, 0)], follower: [...shared, ...part(follower, 1)] }
  })

function slowCommonEnd(one: readonly number[], other: readonly number[]): number {
  let end = 0
  while (end < one.length && end < other.length && one[end] === other[end]) end++
  return end
}

test('divergence: the search ends where the logs part, in no more trips than there are epochs behind it', () => {
  fc.assert(
    fc.property(logPairs, ({ leader, follower }) => {
      const leaderLog = MemoryLog.of(...leader)
      const followerLog = MemoryLog.of(...follower)
      const commonEnd = slowCommonEnd(leader, follower)
      let fromOffset = leaderLog.logEndOffset
      let trips = 0
      const isMatch = () =>
        fromOffset <= follower.length && (fromOffset === 0 || leader[fromOffset - 1] === follower[fromOffset - 1])
      while (!isMatch()) {
        const next = nextAfter(leaderLog, fromOffset, hintBelow(followerLog, fromOffset, leader[fromOffset - 1]!))
        assert.ok(next < fromOffset || next === 0, 'every hint brings it nearer')
        fromOffset = next
        trips++
      }
      // Never behind it: what is before is the same in both. Before it only where one log ends inside an epoch of the other.
      assert.ok(fromOffset <= commonEnd)
      const epochCount = new Set([...leader.slice(commonEnd), ...follower.slice(commonEnd)]).size
      assert.ok(trips <= epochCount + 1, `${trips} trips for ${epochCount} epochs`)
    }),
    { numRuns },
  )
})

test('divergence: a reader hears when what it has is not in the log, and finds where the two part', () => {
  fc.assert(
    fc.property(logPairs, fc.nat(), fc.boolean(), ({ leader, follower: reader }, read, isAnew) => {
      const log = MemoryLog.of(...leader)
      const known = new EpochTrail()
      const end = read % (reader.length + 1)
      for (const [offset, epoch] of reader.slice(0, end).entries()) known.append(epoch, offset)
      const commonEnd = Math.min(end, slowCommonEnd(leader, reader))
      let offset = end
      let trips = 0
      const trail = new EpochTrail()
      trail.restart(end, known.upTo(end))
      for (;;) {
        const hint = readerDivergence(log, offset, trail.epochBefore(offset))
        if (hint === null) break
        const { hintEpoch: epoch, endOffset } = hint
        const { commonEnd: next, epochs } = trail.parting(offset, { epoch, endOffset })
        offset = next
        // As a consumer that was told, or one that begins where it was.
        if (isAnew) trail.restart(offset, epochs)
        trips++
      }
      assert.equal(offset, commonEnd)
      const epochCount = new Set([...leader.slice(commonEnd), ...reader.slice(commonEnd)]).size
      assert.ok(trips <= epochCount + 1, `${trips} trips for ${epochCount} epochs`)
    }),
    { numRuns },
  )
})

test('divergence: a follower ends with all that its leader has, and cuts nothing that they have in common', () => {
  fc.assert(
    fc.property(logPairs, fc.integer({ min: 1, max: 5 }), ({ shared, leader, follower }, batchesMax) => {
      const leaderEpoch = toLeaderEpoch(100)
      const leaderLog = MemoryLog.of(...leader)
      const followerLog = MemoryLog.of(...follower)
      const leading = leaderOf(leaderLog, { leaderEpoch })
      // Whatever both have was perhaps committed: to cut below it would stop the follower.
      const following = followerOf({ leaderEpoch, highWatermark: shared.length, highWatermarkEpoch: 99 })
      exchange(leading, leaderLog, following, followerLog, batchesMax)
      // What it has beyond the leader's end stays until something else comes in its place.
      assert.deepEqual(followerLog.epochs.slice(0, leader.length), leader)
      assert.equal(following.matchedEnd, leader.length)
    }),
    { numRuns },
  )
})

interface Acknowledgement {
  readonly from: 1 | 2
  readonly endOffset: number
}

test('high watermark: the lowest end of the ISR, never back, never without the minimum', () => {
  const ends = fc.integer({ min: 0, max: 12 })
  const steps = fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant('acknowledge' as const),
        from: fc.constantFrom(1 as const, 2 as const),
        endOffset: ends,
      }),
      fc.record({ kind: fc.constant('isr' as const), isr: fc.subarray([two, three]) }),
      fc.record({ kind: fc.constant('disk' as const), endOffset: ends }),
    ),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 3 }), (history, effectiveMinIsr) => {
      const log = MemoryLog.of(...new Array<number>(12).fill(3))
      log.durableEndOffset = 0
      const leader = leaderOf(log, { effectiveMinIsr })
      const acknowledged: Record<number, number> = { [one]: 0, [two]: 0, [three]: 0 }
      let isr = [one, two, three]
      let expected = 0
      let partitionEpoch = 0
      for (const step of history) {
        if (step.kind === 'acknowledge') acknowledge(step)
        else if (step.kind === 'disk') {
          acknowledged[one] = Math.max(acknowledged[one]!, step.endOffset)
          leader.onLocalProgress(step.endOffset)
        } else {
          isr = [one, ...step.isr]
          partitionEpoch++
          leader.reconfigure({ ...termsOf({ effectiveMinIsr }), isr, partitionEpoch }, log.logEndOffset, 0)
        }
        const lowest = Math.min(...isr.map(id => acknowledged[id]!))
        if (isr.length >= effectiveMinIsr) expected = Math.max(expected, lowest)
        assert.equal(leader.highWatermark, expected)
      }

      function acknowledge({ from, endOffset }: Acknowledgement): void {
        const id = from === 1 ? two : three
        const progress = leader.followers.get(id)!
        const sent = { generation: progress.generation, fromOffset: 0, endOffset: 0, highWatermark: 0 }
        const answer = { isMatch: true, endOffset, hintEpoch: -1, brokerEpoch: toBrokerEpoch(100 + id) }
        leader.onAnswer(id, sent, answer, log, 0)
        acknowledged[id] = Math.max(acknowledged[id]!, endOffset)
      }
    }),
    { numRuns },
  )
})
