import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { AppendItem } from '../../src/replication/types.ts'
import { AssertionError } from '../../src/util/errors.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'
import { runs } from '../support/depth.ts'
import { MemoryLog } from './memory-log.ts'
import { exchange, followerOf, leaderOf, receive } from './pair.ts'

function itemOf(log: MemoryLog, changes: Partial<AppendItem> = {}): AppendItem {
  return {
    leaderEpoch: toLeaderEpoch(9),
    fromOffset: 0,
    prevEpoch: -1,
    highWatermark: 0,
    logStartOffset: log.logStartOffset,
    batches: [],
    ...changes,
  }
}

describe('an append', () => {
  test('of another epoch is refused', () => {
    const log = MemoryLog.of(1)
    const refusal = (epoch: number) => followerOf().decide(itemOf(log, { leaderEpoch: toLeaderEpoch(epoch) }), log)
    assert.deepEqual(refusal(8), { kind: 'refused', error: 'FENCED_LEADER_EPOCH' })
    assert.deepEqual(refusal(10), { kind: 'refused', error: 'UNKNOWN_LEADER_EPOCH' })
  })

  test('beyond the end is answered with where the log ends', () => {
    const log = MemoryLog.of(1, 1, 4)
    const step = followerOf().decide(itemOf(log, { fromOffset: 7, prevEpoch: 6 }), log)
    assert.deepEqual(step, { kind: 'mismatch', hintEpoch: 4, endOffset: 3 })
  })

  test('after a record of another epoch is answered with the newest epoch that both may have', () => {
    const log = MemoryLog.of(1, 1, 4, 5, 5)
    const at = (fromOffset: number, prevEpoch: number) =>
      followerOf().decide(itemOf(log, { fromOffset, prevEpoch }), log)
    assert.deepEqual(at(5, 3), { kind: 'mismatch', hintEpoch: 1, endOffset: 2 })
    assert.deepEqual(at(3, 6), { kind: 'mismatch', hintEpoch: 4, endOffset: 3 })
    assert.deepEqual(at(2, 0), { kind: 'mismatch', hintEpoch: -1, endOffset: 0 })
  })

  test('that is repeated or overtaken changes nothing', () => {
    const leaderLog = MemoryLog.of(1, 1, 9, 9)
    const log = new MemoryLog()
    const follower = followerOf()
    const whole = itemOf(leaderLog, { batches: leaderLog.read(0, 4), highWatermark: 4 })
    receive(follower, log, whole)
    const late = itemOf(leaderLog, { batches: leaderLog.read(0, 2), highWatermark: 1 })
    const answer = receive(follower, log, late)
    assert.equal(answer?.endOffset, 4)
    assert.deepEqual(log.epochs, [1, 1, 9, 9])
    assert.equal(follower.highWatermark, 4)
  })

  test('acknowledges what is durable and in common, not all there is', () => {
    const leaderLog = MemoryLog.of(1, 1, 9)
    const log = MemoryLog.of(1, 1, 3, 3)
    const follower = followerOf()
    const probe = itemOf(leaderLog, { fromOffset: 2, prevEpoch: 1, highWatermark: 3 })
    assert.equal(receive(follower, log, probe)?.endOffset, 2)
    assert.equal(follower.highWatermark, 2)
    assert.deepEqual(log.epochs, [1, 1, 3, 3], 'nothing is cut before something stands in its place')
  })
})

describe('the high watermark', () => {
  test('is never cut below, which would stop the node', () => {
    const log = MemoryLog.of(1, 1, 3)
    const follower = followerOf({ highWatermark: 3, highWatermarkEpoch: 3 })
    const item = itemOf(log, { fromOffset: 2, prevEpoch: 1, batches: MemoryLog.of(1, 1, 9).read(2, 1) })
    assert.throws(() => receive(follower, log, item), AssertionError)
  })

  test('goes back across an unclean election, and only across one that came after it was learned', () => {
    const cut = (uncleanEpoch: number) => {
      const log = MemoryLog.of(1, 1, 3)
      const terms = { highWatermark: 3, highWatermarkEpoch: 3, uncleanEpoch: toLeaderEpoch(uncleanEpoch) }
      const follower = followerOf(terms)
      receive(follower, log, itemOf(log, { fromOffset: 2, prevEpoch: 1, batches: MemoryLog.of(1, 1, 9).read(2, 1) }))
      return follower.highWatermark
    }
    assert.equal(cut(4), 2)
    assert.throws(() => cut(3), AssertionError)
  })
})

describe('a follower catches up', () => {
  test('from wherever it stands behind the start of the log of its leader', () => {
    const leaderLog = MemoryLog.of(1, 2, 2, 9, 9)
    leaderLog.deleteBelow(3)
    const log = MemoryLog.of(1)
    exchange(leaderOf(leaderLog), leaderLog, followerOf(), log)
    assert.equal(log.logStartOffset, 3)
    assert.equal(log.logEndOffset, 5)
  })

  test('though what it has there is of a newer epoch than what its leader kept', () => {
    const leaderLog = MemoryLog.of(1, 1, 2, 2)
    leaderLog.deleteBelow(2)
    const log = MemoryLog.of(1, 3, 3)
    exchange(leaderOf(leaderLog), leaderLog, followerOf(), log)
    assert.deepEqual([log.logStartOffset, log.epochs], [2, [2, 2]])
  })

  /** Logs that may exist: each is a common prefix and a tail of its own; epochs rise. */
  const logs = fc
    .record({
      prefix: fc.array(fc.nat(2), { maxLength: 6 }),
      leaderTail: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 8 }),
      followerTail: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 8 }),
      deleted: fc.nat(6),
    })
    .map(({ prefix, leaderTail, followerTail, deleted }) => {
      const rising = (steps: readonly number[], from: number, spread: number): number[] => {
        let epoch = from
        return steps.map(step => {
          epoch += step * spread
          return epoch
        })
      }
      const common = rising(prefix, 1, 10)
      const last = common.at(-1) ?? 1
      // Even epochs were the leader's side's, odd ones the follower's: no epoch had two leaders.
      return {
        leaderEpochs: [...common, ...rising(leaderTail, last + (last % 2), 2)],
        followerEpochs: [...common, ...rising(followerTail, last + (last % 2) + 1, 2)],
        deleted: Math.min(deleted, common.length),
      }
    })

  test('and ends with the very log, in fewer rounds than there are records to compare', () => {
    fc.assert(
      fc.property(logs, fc.integer({ min: 1, max: 4 }), ({ leaderEpochs, followerEpochs, deleted }, batchesMax) => {
        const leaderEpoch = toLeaderEpoch(1000)
        const leaderLog = MemoryLog.of(...leaderEpochs)
        leaderLog.deleteBelow(deleted)
        const log = MemoryLog.of(...followerEpochs)
        const leader = leaderOf(leaderLog, { leaderEpoch })
        const follower = followerOf({ leaderEpoch })
        // A record of the new epoch drives out what is left of the old ones.
        leaderLog.append(1000)
        const rounds = exchange(leader, leaderLog, follower, log, batchesMax)
        assert.equal(log.logEndOffset, leaderLog.logEndOffset)
        for (let offset = Math.max(deleted, log.logStartOffset); offset < log.logEndOffset; offset++) {
          assert.equal(log.epochAt(offset), leaderLog.epochAt(offset))
        }
        const epochs = new Set([...leaderEpochs, ...followerEpochs]).size
        assert.ok(rounds <= epochs + Math.ceil(leaderLog.logEndOffset / batchesMax) + 3, `${rounds} rounds`)
      }),
      { numRuns: runs(500) },
    )
  })
})
