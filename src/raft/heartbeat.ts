/** Heartbeats: keep followers from campaigning, carry the commit index and the round a read waits for. */
import { toLogIndex } from '../util/numbers.ts'
import { noIndex, noTerm } from './log-view.ts'
import { type Leader, type Raft, send } from './state.ts'

export function sendHeartbeats(raft: Raft, leader: Leader): void {
  const { log } = raft
  for (const [to, progress] of leader.progress) {
    const index = toLogIndex(Math.min(progress.matchIndex, log.commitIndex))
    // Behind the base: a snapshot will tell it.
    const term = log.termAt(index)
    const commit =
      term === null ? { commitIndex: noIndex, commitTerm: noTerm } : { commitIndex: index, commitTerm: term }
    send(raft, to, { kind: 'heartbeat', from: raft.id, term: raft.term, ...commit, round: leader.round })
  }
}
