/**
 * Linearizable reads without the log (thesis, section 6.4): note the commit index, prove with a round of heartbeats begun
 * afterwards that this server still leads, then answer from what is applied up to it. Clocks play no part.
 */

import { sendHeartbeats } from './heartbeat.ts'
import { hasQuorum } from './quorum-math.ts'
import type { Leader, Raft } from './state.ts'

export function onReadIndex(raft: Raft, id: number): void {
  if (raft.role.kind === 'leader') raft.role.newReads.push(id)
  else raft.effects.push({ kind: 'readRefused', id })
}

/** All reads that arrived since the last step share one round. */
export function startReadRound(raft: Raft, leader: Leader): void {
  // Before an entry of its own term is committed a leader does not know what is (section 8).
  const isReady = raft.log.commitIndex >= leader.termStartIndex || !raft.rules.readsWaitForOwnTerm
  if (leader.newReads.length === 0 || !isReady) return
  leader.round++
  leader.waitingReads.push({ ids: leader.newReads.splice(0), index: raft.log.commitIndex, round: leader.round })
  sendHeartbeats(raft, leader)
  confirmReads(raft, leader)
}

export function confirmReads(raft: Raft, leader: Leader): void {
  while (leader.waitingReads.length > 0) {
    const { ids, index, round } = leader.waitingReads[0]!
    const isConfirmed = hasQuorum(raft.configurations.current, id => {
      return id === raft.id || (leader.progress.get(id)?.ackedRound ?? 0) >= round
    })
    if (!isConfirmed && raft.rules.readsProveLeadership) return
    leader.waitingReads.shift()
    for (const id of ids) raft.effects.push({ kind: 'readReady', id, index })
  }
}
