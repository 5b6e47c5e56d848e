/**
 * The leader's side of AppendEntries: batched, pipelined, in parallel with its own disk (thesis, section 10.2.1).
 * Handlers only note what they learn; `replicate`, at the end of each step, sends what may leave.
 */
import { assert } from '../util/assert.ts'
import { type LogIndex, type NodeId, toLogIndex } from '../util/numbers.ts'
import { advanceCommit } from './commit.ts'
import type { AppendEntries, AppendEntriesRefused, AppendEntriesReply, HeartbeatReply, Message } from './messages.ts'
import type { Progress } from './progress.ts'
import { confirmReads } from './read-index.ts'
import { type Leader, type Raft, send } from './state.ts'

/** Sends every follower what its flow allows: what waited for a place in the window leaves as one batch. */
export function replicate(raft: Raft, leader: Leader): void {
  const { log, options } = raft
  let latest: AppendEntries | null = null
  for (const [id, progress] of leader.progress) {
    while (progress.maySend(log, options) && (progress.flow.kind === 'probe' || progress.nextIndex <= log.lastIndex)) {
      latest = sendAppend(raft, leader, id, progress, options.appendBytesMax, latest)
    }
    // Followers apply as soon as they know; without this they would learn it with the next proposal.
    const isBehind = progress.flow.kind === 'replicate' && progress.sentCommitIndex < log.commitIndex
    if (isBehind) latest = sendAppend(raft, leader, id, progress, 0, latest)
  }
}

/**
 * `bytesMax` 0 sends no entries: it only tests the place and tells the commit index. A follower at the place of the one
 * before is sent the same object, `latest` of this step, so that it is encoded once. Returns what was sent last.
 */
function sendAppend(
  raft: Raft,
  leader: Leader,
  to: NodeId,
  progress: Progress,
  bytesMax: number,
  latest: AppendEntries | null,
): AppendEntries | null {
  const { log } = raft
  const prevIndex = toLogIndex(progress.nextIndex - 1)
  const prevTerm = log.termAt(prevIndex)
  if (prevTerm === null) {
    startSnapshot(raft, leader, to, progress)
    return latest
  }
  let message = latest
  if (message?.prevIndex !== prevIndex || message.entries.length > 0 !== bytesMax > 0) {
    const entries = bytesMax === 0 ? [] : log.slice(progress.nextIndex, bytesMax)
    const head = { from: raft.id, term: raft.term, prevIndex, prevTerm, commitIndex: log.commitIndex }
    message = { kind: 'appendEntries', ...head, entries, round: leader.round }
  }
  send(raft, to, message)
  progress.sentCommitIndex = log.commitIndex
  if (bytesMax > 0) progress.sent(toLogIndex(prevIndex + message.entries.length), raft.tick)
  return message
}

/** The entries it needs are gone behind a snapshot (section 7). */
function startSnapshot(raft: Raft, leader: Leader, to: NodeId, progress: Progress): void {
  assert(raft.snapshot !== null, 'what is gone from the log is in a snapshot')
  progress.snapshotStarted()
  raft.effects.push({ kind: 'sendSnapshot', to, term: raft.term, round: leader.round })
}

export function onAppendEntriesReply(raft: Raft, leader: Leader, message: AppendEntriesReply): void {
  const progress = heardFrom(raft, leader, message)
  if (progress === null) return
  progress.matched(message.matchIndex, raft.log, raft.tick, raft.rules)
  noteCaughtUp(raft, progress)
  advanceCommit(raft, leader)
}

export function onAppendEntriesRefused(raft: Raft, leader: Leader, message: AppendEntriesRefused): void {
  const progress = heardFrom(raft, leader, message)
  progress?.refused(message.prevIndex, nextIndexFromHint(raft, message))
}

export function onHeartbeatReply(raft: Raft, leader: Leader, message: HeartbeatReply): void {
  const progress = heardFrom(raft, leader, message)
  if (progress === null) return
  noteCaughtUp(raft, progress)
  // It lives: what was lost on the way may be tried again.
  if (progress.flow.kind === 'probe') progress.flow.isWaiting = false
  else if (progress.flow.kind === 'replicate' && progress.matchIndex + 1 < progress.nextIndex) {
    sendAppend(raft, leader, message.from, progress, 0, null)
  }
}

export function onSnapshotSent(raft: Raft, leader: Leader, to: NodeId, isDelivered: boolean): void {
  leader.progress.get(to)?.snapshotEnded(isDelivered ? (raft.snapshot?.index ?? null) : null)
}

/**
 * The largest place where the logs may still agree. The follower has nothing but `conflictTerm` from `conflictIndex` to
 * `prevIndex`, and no later term before: so every entry of ours with a later term is passed over as well, and each
 * round trip skips a whole term of one side.
 */
function nextIndexFromHint(raft: Raft, message: AppendEntriesRefused): LogIndex {
  const { conflictTerm, conflictIndex, prevIndex } = message
  if (conflictTerm === null) return conflictIndex
  const { log } = raft
  let index: number = Math.min(prevIndex, log.lastIndex)
  // Terms never fall along the log, so this walks term by term, not entry by entry.
  while (index > log.baseIndex) {
    const term = log.termAt(toLogIndex(index))!
    if (term <= conflictTerm) break
    index = log.firstIndexOfTerm(term) - 1
  }
  const isShared = log.termAt(toLogIndex(index)) === conflictTerm
  return toLogIndex(isShared ? index + 1 : Math.min(index + 1, conflictIndex))
}

function heardFrom(raft: Raft, leader: Leader, message: Message & { readonly round: number }): Progress | null {
  const progress = leader.progress.get(message.from)
  if (progress === undefined) return null
  progress.lastHeardTick = raft.tick
  if (message.round > progress.ackedRound) {
    progress.ackedRound = message.round
    confirmReads(raft, leader)
  }
  return progress
}

function noteCaughtUp(raft: Raft, progress: Progress): void {
  if (progress.matchIndex === raft.log.lastIndex) progress.lastCaughtUpTick = raft.tick
}
