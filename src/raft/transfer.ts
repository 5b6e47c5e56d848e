/**
 * Leadership transfer (thesis, section 3.10): proposals stop, the target catches up, then it is told to campaign at once.
 * If nothing comes of it within an election timeout, the leader carries on.
 */
import type { NodeId } from '../util/numbers.ts'
import type { Refusal } from './input-effect.ts'
import { type Leader, type Raft, send } from './state.ts'

export function onTransfer(raft: Raft, to: NodeId): void {
  const reason = refusal(raft, to)
  if (reason !== null) raft.effects.push({ kind: 'refused', input: 'transfer', reason })
  else if (raft.role.kind === 'leader') raft.role.transfer = { to, elapsedTicks: 0, isSent: false }
}

function refusal(raft: Raft, to: NodeId): Refusal | null {
  if (raft.role.kind !== 'leader') return 'notLeader'
  if (raft.role.transfer !== null) return 'transferring'
  // A learner cannot win, and a server on its way out should not.
  const isFit = to !== raft.id && raft.configurations.current.voters.includes(to)
  return isFit ? null : 'badTarget'
}

/** Tells the target as soon as it has everything. */
export function maybeHandOver(raft: Raft, leader: Leader): void {
  const { transfer } = leader
  if (transfer === null || transfer.isSent) return
  const progress = leader.progress.get(transfer.to)
  if (progress === undefined) leader.transfer = null
  else if (progress.matchIndex === raft.log.lastIndex) {
    transfer.isSent = true
    send(raft, transfer.to, { kind: 'timeoutNow', from: raft.id, term: raft.term })
  }
}

export function tickTransfer(raft: Raft, leader: Leader): void {
  if (leader.transfer === null) return
  if (++leader.transfer.elapsedTicks >= raft.options.electionTimeoutTicks) leader.transfer = null
}

/** A leader about to leave names the voter that has most: nobody then has to wait for an election timeout. */
export function appointSuccessor(raft: Raft, leader: Leader): void {
  const successor = raft.configurations.current.voters.find(
    id => leader.progress.get(id)?.matchIndex === raft.log.lastIndex,
  )
  if (successor !== undefined) send(raft, successor, { kind: 'timeoutNow', from: raft.id, term: raft.term })
}
