/** Heartbeats: keep followers from campaigning, carry the commit index and the round a read waits for. */
import { toLogIndex } from '../util/numbers.ts'
import { type Leader, type Raft, send } from './state.ts'

export function sendHeartbeats(raft: Raft, leader: Leader): void {
  for (const [to, progress] of leader.progress) {
    const commitIndex = toLogIndex(Math.min(progress.matchIndex, raft.log.commitIndex))
    send(raft, to, { kind: 'heartbeat', from: raft.id, term: raft.term, commitIndex, round: leader.round })
  }
}
