/**
 * What a peer may say. Whatever it sends, a peer must not be able to stop this server: a message that no sound server
 * sends is dropped, as if it had been lost. Assertions are for this server's own mistakes.
 */
import { unreachable } from '../util/assert.ts'
import { decodeConfiguration, isSameCluster, isWellFormed } from './configuration.ts'
import type { AppendEntries, InstallSnapshot, Message } from './messages.ts'
import type { Raft } from './state.ts'
import type { Configuration, Entry } from './types.ts'

export function isCredible(raft: Raft, message: Message): boolean {
  // Term 0 is nobody's; another server under the own number must not be listened to.
  if (message.from === raft.id || !isIndex(message.term) || message.term === 0) return false
  switch (message.kind) {
    case 'preVote':
    case 'requestVote':
      // Whoever stands is in a later term than its log.
      return isIndex(message.lastIndex) && isIndex(message.lastTerm) && message.lastTerm < message.term
    case 'appendEntries':
      return !isOwnTerm(raft, message) && isCredibleAppend(raft, message)
    case 'heartbeat':
      return !isOwnTerm(raft, message) && isIndex(message.commitIndex)
    case 'installSnapshot':
      return !isOwnTerm(raft, message) && isCredibleSnapshot(raft, message)
    case 'appendEntriesReply':
      return isIndex(message.matchIndex) && answersThisLeader(raft, message, message.matchIndex)
    case 'appendEntriesRefused':
      return isIndex(message.prevIndex) && isIndex(message.conflictIndex) && answersThisLeader(raft, message, 0)
    case 'heartbeatReply':
      return answersThisLeader(raft, message, 0)
    case 'preVoteReply':
    case 'requestVoteReply':
    case 'timeoutNow':
    case 'staleTerm':
      return true
    default:
      return unreachable(message, 'message kind')
  }
}

/** A term has one leader (section 5.2): its messages never come to itself. */
function isOwnTerm(raft: Raft, message: Message): boolean {
  return raft.role.kind === 'leader' && message.term === raft.term
}

/** In its own term, a leader is told of nothing that it did not send. */
function answersThisLeader(raft: Raft, message: Message & { readonly round: number }, index: number): boolean {
  if (raft.role.kind !== 'leader' || message.term !== raft.term) return true
  return index <= raft.log.lastIndex && message.round <= raft.role.round
}

function isCredibleAppend(raft: Raft, message: AppendEntries): boolean {
  const { term, prevIndex, prevTerm, commitIndex, entries } = message
  if (!isIndex(prevIndex) || !isIndex(prevTerm) || !isIndex(commitIndex)) return false
  let previousTerm: number = prevTerm
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!
    if (entry.index !== prevIndex + i + 1 || !(entry.term >= previousTerm && entry.term >= 1)) return false
    if (entry.kind === 'configuration' && !isCredibleConfiguration(raft, configurationIn(entry))) return false
    previousTerm = entry.term
  }
  return previousTerm <= term
}

function isCredibleSnapshot(raft: Raft, message: InstallSnapshot): boolean {
  const { index, term, configuration } = message.snapshot.meta
  if (!isIndex(index) || index === 0 || !isIndex(term) || term === 0 || term > message.term) return false
  return isCredibleConfiguration(raft, configuration)
}

function isCredibleConfiguration(raft: Raft, configuration: Configuration | null): boolean {
  if (configuration === null || !isWellFormed(configuration)) return false
  return isSameCluster(raft.configurations.current, configuration)
}

function configurationIn(entry: Entry): Configuration | null {
  try {
    return decodeConfiguration(entry)
  } catch {
    return null
  }
}

function isIndex(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
