import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LeaderReplica } from '../../src/replication/leader-replica.ts'
import { type NodeId, toBrokerEpoch } from '../../src/util/numbers.ts'
import { MemoryLog } from './memory-log.ts'
import { leaderOf, one, termsOf, three, two } from './pair.ts'

/** The follower says that it has everything below `endOffset`. */
function acknowledge(leader: LeaderReplica, log: MemoryLog, nodeId: NodeId, endOffset: number, nowMs = 0): boolean {
  const next = leader.next(nodeId, log) ?? {
    generation: leader.followers.get(nodeId)!.generation,
    fromOffset: endOffset,
  }
  const sent = leader.onSent(nodeId, { prevEpoch: -1, readOffset: 0, ...next, fromOffset: endOffset }, endOffset)
  const answer = { isMatch: true, endOffset, hintEpoch: -1, brokerEpoch: toBrokerEpoch(100 + nodeId) }
  return leader.onAnswer(nodeId, sent, answer, log, nowMs)
}

describe('high watermark', () => {
  test('with one replica it is the local durable end', () => {
    const log = MemoryLog.of(9, 9, 9)
    const alone = leaderOf(log, { replicas: [one], isr: [one], effectiveMinIsr: 1 })
    assert.equal(alone.highWatermark, 3)
    log.append(9)
    assert.equal(alone.onLocalProgress(4), true)
    assert.equal(alone.highWatermark, 4)
    assert.equal(alone.onLocalProgress(4), false)
  })

  test('is the lowest acknowledged end over the ISR, the own disk included', () => {
    const log = MemoryLog.of(9, 9, 9, 9)
    const leader = leaderOf(log)
    assert.equal(acknowledge(leader, log, two, 4), false)
    assert.equal(acknowledge(leader, log, three, 2), true)
    assert.equal(leader.highWatermark, 2)
    assert.equal(acknowledge(leader, log, three, 4), true)
    log.append(9, false)
    acknowledge(leader, log, two, 5)
    assert.equal(acknowledge(leader, log, three, 5), false)
    assert.equal(leader.highWatermark, 4)
    assert.equal(leader.onLocalProgress(5), true)
    assert.equal(leader.highWatermark, 5)
  })

  test('a replica outside the ISR does not hold it back, one that joined below it does not draw it back', () => {
    const log = MemoryLog.of(9, 9, 9)
    const leader = leaderOf(log, { isr: [one, two] })
    assert.equal(acknowledge(leader, log, two, 3), true)
    assert.equal(leader.highWatermark, 3)
    assert.equal(leader.reconfigure(termsOf({ partitionEpoch: 1 }), 3, 0), false)
    assert.equal(leader.highWatermark, 3)
  })

  test('stands while the ISR is below the minimum', () => {
    const log = MemoryLog.of(9, 9)
    const leader = leaderOf(log, { isr: [one] })
    assert.equal(leader.hasMinIsr, false)
    assert.equal(leader.highWatermark, 0)
    assert.equal(leader.reconfigure(termsOf({ isr: [one], effectiveMinIsr: 1 }), 2, 0), true)
    assert.equal(leader.highWatermark, 2)
  })

  test('waits for a member that was proposed and may have been added', () => {
    const log = MemoryLog.of(9, 9)
    const leader = leaderOf(log, { isr: [one, two] })
    acknowledge(leader, log, two, 2)
    acknowledge(leader, log, three, 2)
    const proposal = leader.proposeIsr(1, 1000, log)!
    assert.deepEqual(
      proposal.isr.map(({ nodeId, brokerEpoch }) => [nodeId, brokerEpoch]),
      [
        [1, 101],
        [2, 102],
        [3, 103],
      ],
    )
    log.append(9)
    leader.onLocalProgress(3)
    assert.equal(acknowledge(leader, log, two, 3), false)
    leader.onProposalRefused(proposal)
    log.append(9)
    leader.onLocalProgress(4)
    assert.equal(acknowledge(leader, log, two, 4), true)
    assert.equal(leader.highWatermark, 4)
  })

  test('is not what an earlier leader may have shown before it reaches the start of the epoch', () => {
    const log = MemoryLog.of(7, 8, 8)
    const leader = leaderOf(log, {}, 1)
    assert.equal(leader.isHighWatermarkCurrent, false)
    acknowledge(leader, log, two, 3)
    acknowledge(leader, log, three, 3)
    assert.equal(leader.isHighWatermarkCurrent, true)
  })
})

describe('ISR', () => {
  test('a member that has not had everything for too long leaves, when the controller says so', () => {
    const log = MemoryLog.of(9)
    const leader = leaderOf(log)
    acknowledge(leader, log, two, 1, 10)
    assert.equal(leader.proposeIsr(1000, 1000, log), null)
    const proposal = leader.proposeIsr(1001, 1000, log)!
    assert.deepEqual(
      proposal.isr.map(({ nodeId }) => nodeId),
      [1, 2],
    )
    assert.equal(leader.highWatermark, 0)
    assert.equal(leader.proposeIsr(2000, 1000, log), null)
    assert.equal(leader.reconfigure(termsOf({ isr: [one, two], partitionEpoch: 1 }), 1, 0), true)
    assert.equal(leader.proposal, null)
    assert.equal(leader.highWatermark, 1)
  })

  test('under steady load a follower that has what there was a moment ago is in sync', () => {
    const log = MemoryLog.of(9)
    const leader = leaderOf(log, { isr: [one, two], replicas: [one, two] })
    for (let nowMs = 0; nowMs <= 5000; nowMs += 100) {
      acknowledge(leader, log, two, log.logEndOffset - 1, nowMs)
      log.append(9)
    }
    assert.equal(leader.proposeIsr(5100, 1000, log), null)
  })

  test('a replica joins once it has what may be committed: also what was there when the epoch began', () => {
    const log = MemoryLog.of(8, 8, 8)
    const leader = leaderOf(log, { isr: [one, two] }, 1)
    acknowledge(leader, log, three, 2)
    assert.equal(leader.proposeIsr(1, 1000, log), null)
    acknowledge(leader, log, three, 3)
    assert.notEqual(leader.proposeIsr(1, 1000, log), null)
  })

  test('a broker in another life joins on nothing it acknowledged before', () => {
    const log = MemoryLog.of(8, 8, 8)
    const leader = leaderOf(log, { isr: [one, two] })
    acknowledge(leader, log, three, 3)
    const brokerEpochs = new Map([...termsOf().brokerEpochs, [three, toBrokerEpoch(200)]])
    leader.reconfigure(termsOf({ isr: [one, two], partitionEpoch: 1, brokerEpochs }), 3, 0)
    assert.equal(leader.followers.get(three)!.matchEnd, null)
    acknowledge(leader, log, three, 3)
    assert.equal(leader.proposeIsr(1, 1000, log), null, 'an answer of the former life came late')
  })
})

describe('answers', () => {
  test('one to what was sent before a reset counts for nothing, a repeated one moves nothing back', () => {
    const log = MemoryLog.of(9, 9, 9)
    const leader = leaderOf(log)
    const next = leader.next(two, log)!
    const sent = leader.onSent(two, next, 3)
    const answer = { isMatch: true, endOffset: 3, hintEpoch: -1, brokerEpoch: toBrokerEpoch(102) }
    leader.onLinkLost(two)
    leader.onAnswer(two, sent, answer, log, 0)
    assert.equal(leader.followers.get(two)!.matchEnd, null)
    acknowledge(leader, log, two, 3)
    const { generation } = leader.followers.get(two)!
    leader.onAnswer(two, { ...sent, generation, fromOffset: 1, endOffset: 1 }, { ...answer, endOffset: 1 }, log, 0)
    assert.equal(leader.followers.get(two)!.matchEnd, 3)
  })
})

test('a log that a full disk has shortened sends nothing to those who were sent more', () => {
  const log = MemoryLog.of(9)
  const leader = leaderOf(log)
  acknowledge(leader, log, two, 1)
  log.append(9, false)
  log.append(9, false)
  leader.onSent(two, leader.next(two, log)!, 3)
  assert.equal(acknowledge(leader, log, three, 1), true)
  log.truncateTo(1)
  assert.equal(
    leader.next(two, log),
    null,
    'there is news of the high watermark, and no place in this log to send it from',
  )
})
