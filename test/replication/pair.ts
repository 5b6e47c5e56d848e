/** A leader and one of its followers, without a network between them. */
import { FollowerReplica } from '../../src/replication/follower-replica.ts'
import { LeaderReplica, type LeaderTerms } from '../../src/replication/leader-replica.ts'
import type { AppendAnswer, AppendItem } from '../../src/replication/types.ts'
import { assert } from '../../src/util/assert.ts'
import { type NodeId, toBrokerEpoch, toLeaderEpoch, toNodeId } from '../../src/util/numbers.ts'
import type { MemoryLog } from './memory-log.ts'

export const [one, two, three] = [toNodeId(1), toNodeId(2), toNodeId(3)]

export function termsOf(changes: Partial<LeaderTerms> = {}): LeaderTerms {
  return {
    leaderEpoch: toLeaderEpoch(9),
    partitionEpoch: 0,
    replicas: [one, two, three],
    isr: [one, two, three],
    effectiveMinIsr: 2,
    leaving: [],
    brokerEpochs: new Map([one, two, three].map((id: NodeId) => [id, toBrokerEpoch(100 + id)])),
    ...changes,
  }
}

export function leaderOf(log: MemoryLog, changes: Partial<LeaderTerms> = {}, highWatermark = 0): LeaderReplica {
  return new LeaderReplica({
    localId: one,
    terms: termsOf(changes),
    durableEndOffset: log.durableEndOffset,
    logEndOffset: log.logEndOffset,
    highWatermark,
    nowMs: 0,
  })
}

export function followerOf(changes: Partial<ConstructorParameters<typeof FollowerReplica>[0]> = {}): FollowerReplica {
  return new FollowerReplica({
    leaderEpoch: toLeaderEpoch(9),
    uncleanEpoch: toLeaderEpoch(-1),
    highWatermark: 0,
    highWatermarkEpoch: -1,
    ...changes,
  })
}

/** Does to the log what the follower decides, until it takes the item or not; `null`: refused. */
export function receive(follower: FollowerReplica, log: MemoryLog, item: AppendItem): AppendAnswer | null {
  for (let steps = 0; ; steps++) {
    assert(steps < 5, 'a follower comes to a decision')
    const step = follower.decide(item, log)
    if (step.kind === 'refused') return null
    if (step.kind === 'mismatch') return { isMatch: false, ...step, brokerEpoch: toBrokerEpoch(102) }
    if (step.kind === 'restart') {
      follower.onCut(step.at)
      log.restartAt(step.at)
    } else if (step.kind === 'truncate') {
      follower.onCut(step.to)
      log.truncateTo(step.to)
    } else {
      for (const batch of item.batches.slice(step.skip)) log.append(batch.leaderEpoch)
      follower.onTaken(item, log)
      const endOffset = follower.acknowledgedEnd(log)
      return { isMatch: true, endOffset, hintEpoch: -1, brokerEpoch: toBrokerEpoch(102) }
    }
  }
}

/** Sends and answers until there is nothing more to say; returns how many round trips that took. */
export function exchange(
  leader: LeaderReplica,
  leaderLog: MemoryLog,
  follower: FollowerReplica,
  followerLog: MemoryLog,
  batchesMax = 2,
): number {
  for (let rounds = 0; ; rounds++) {
    assert(rounds < 10_000, 'the exchange ends')
    const next = leader.next(two, leaderLog)
    if (next === null) return rounds
    const batches = leaderLog.read(next.readOffset, batchesMax)
    const { highWatermark, leaderEpoch } = leader
    const item = { ...next, leaderEpoch, highWatermark, logStartOffset: leaderLog.logStartOffset, batches }
    const sent = leader.onSent(two, next, batches.at(-1)?.endOffset ?? next.fromOffset)
    const answer = receive(follower, followerLog, item)
    if (answer === null) leader.onFailed(two, sent)
    else leader.onAnswer(two, sent, answer, leaderLog, rounds)
  }
}
