/** What a server does with its leader's messages. All of them are of this term. */
import { assert } from '../util/assert.ts'
import { type LogIndex, type NodeId, toLogIndex } from '../util/numbers.ts'
import { decodeConfiguration } from './configuration.ts'
import type { AppendEntries, Heartbeat, InstallSnapshot } from './messages.ts'
import { becomeFollower } from './roles.ts'
import { type Raft, send } from './state.ts'
import type { Entry } from './types.ts'

export function onAppendEntries(raft: Raft, message: AppendEntries): void {
  follow(raft, message.from)
  const { log } = raft
  // What is committed here is in every later leader's log (section 5.4.3), so it matches without looking.
  if (message.prevIndex < log.commitIndex) {
    acknowledge(raft, message, log.commitIndex)
    return
  }
  if (raft.rules.logMatching && !log.hasEntry(message.prevIndex, message.prevTerm)) {
    refuse(raft, message)
    return
  }
  appendMissing(raft, message)
  const matchIndex = toLogIndex(message.prevIndex + message.entries.length)
  commitUpTo(raft, toLogIndex(Math.min(message.commitIndex, matchIndex)))
  acknowledge(raft, message, matchIndex)
}

export function onHeartbeat(raft: Raft, message: Heartbeat): void {
  follow(raft, message.from)
  // The leader never names more than this server acknowledged; but one that lost its disk has something else there.
  if (raft.log.hasEntry(message.commitIndex, message.commitTerm)) commitUpTo(raft, message.commitIndex)
  send(raft, message.from, { kind: 'heartbeatReply', from: raft.id, term: raft.term, round: message.round })
}

export function onInstallSnapshot(raft: Raft, message: InstallSnapshot): void {
  follow(raft, message.from)
  const { log } = raft
  const { index, term, configuration } = message.snapshot.meta
  if (index <= log.commitIndex && raft.rules.snapshotsOnlyMoveForward) {
    acknowledge(raft, message, log.commitIndex)
    return
  }
  if (log.hasEntry(index, term)) {
    // The log already has all the snapshot stands for, and perhaps more that must not be thrown away (section 7).
    commitUpTo(raft, index)
    acknowledge(raft, message, index)
    return
  }
  raft.durability.clampTo(log.commitIndex)
  log.replaceBySnapshot(index, term)
  raft.configurations.reset(index, configuration)
  raft.installing = { snapshot: message.snapshot, write: 0 }
  acknowledge(raft, message, index)
}

/** Truncates only at a real conflict: a shorter or older append must not remove what a later one brought (section 5.3). */
function appendMissing(raft: Raft, message: AppendEntries): void {
  const { log, configurations, rules } = raft
  for (const entry of message.entries) {
    if (log.hasEntry(entry.index, entry.term)) continue
    if (entry.index <= log.lastIndex) truncate(raft, entry.index)
    appendReceived(raft, entry)
  }
  const endIndex = toLogIndex(message.prevIndex + message.entries.length + 1)
  if (!rules.matchingSuffixStays && endIndex <= log.lastIndex) truncate(raft, endIndex)
  assert(configurations.currentIndex <= log.lastIndex, 'the configuration is in the log')
}

function appendReceived(raft: Raft, entry: Entry): void {
  raft.log.append(entry)
  if (entry.kind === 'configuration') raft.configurations.add(entry.index, decodeConfiguration(entry))
}

function truncate(raft: Raft, from: LogIndex): void {
  raft.log.truncate(from)
  if (raft.rules.truncationRestoresConfiguration) raft.configurations.truncate(from)
  raft.effects.push({ kind: 'truncated', from })
  if (raft.rules.truncationClampsWrites) raft.durability.clampTo(toLogIndex(from - 1))
}

function commitUpTo(raft: Raft, index: LogIndex): void {
  if (index > raft.log.commitIndex) raft.log.commitUpTo(index)
}

function acknowledge(raft: Raft, message: AppendEntries | InstallSnapshot, matchIndex: LogIndex): void {
  const { round, from } = message
  send(raft, from, { kind: 'appendEntriesReply', from: raft.id, term: raft.term, matchIndex, round }, matchIndex)
}

function refuse(raft: Raft, message: AppendEntries): void {
  const { log } = raft
  const { prevIndex, round } = message
  const conflictTerm = prevIndex > log.lastIndex ? null : log.termAt(prevIndex)
  // Nothing committed is ever in conflict, so the hint never points there.
  const conflictIndex =
    conflictTerm === null
      ? toLogIndex(log.lastIndex + 1)
      : toLogIndex(Math.max(log.firstIndexOfTerm(conflictTerm), log.commitIndex + 1))
  const head = { from: raft.id, term: raft.term, prevIndex, round }
  send(raft, message.from, { kind: 'appendEntriesRefused', ...head, conflictTerm, conflictIndex })
}

function follow(raft: Raft, leaderId: NodeId): void {
  assert(raft.role.kind !== 'leader', 'one leader a term')
  becomeFollower(raft, raft.term, leaderId)
}
