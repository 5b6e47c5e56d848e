/** Servers, messages and effects as the scenario files spell them. */
import { isVoter } from '../../src/raft/configuration.ts'
import type { Effect } from '../../src/raft/input-effect.ts'
import type { Message } from '../../src/raft/messages.ts'
import type { Entry } from '../../src/raft/types.ts'
import { type Server, textOf } from './cluster.ts'

/** A text with a space in it is quoted, as it is where it is proposed. */
const quoted = (text: string): string => (text.includes(' ') ? `"${text}"` : text)

export function describeEffect(effect: Effect): string | null {
  switch (effect.kind) {
    case 'truncated':
      return `truncates from ${effect.from}`
    case 'apply': {
      const texts = effect.entries.filter(entry => entry.kind === 'data').map(entry => quoted(textOf(entry)))
      return texts.length === 0 ? null : `applies ${texts.join(' ')}`
    }
    case 'restore':
      return `restores the snapshot at ${effect.snapshot.meta.index}`
    case 'sendSnapshot':
      return `sends its snapshot to ${effect.to}`
    case 'leadership':
      return effect.term === null ? 'leads no more' : `is ready to lead term ${effect.term}`
    case 'refused':
      return `refuses ${effect.input}: ${effect.reason}`
    case 'readReady':
      return `answers read ${effect.id} at ${effect.index}`
    case 'readRefused':
      return `refuses read ${effect.id}`
    default:
      return null
  }
}

export function describeMessage(message: Message): string {
  switch (message.kind) {
    case 'preVote':
    case 'requestVote':
      return `${message.kind} term ${message.term} last ${message.lastIndex}/${message.lastTerm}`
    case 'preVoteReply':
    case 'requestVoteReply':
      return `${message.kind} term ${message.term} ${message.isGranted ? 'granted' : 'refused'}`
    case 'appendEntries': {
      const { term, prevIndex, prevTerm, entries, commitIndex } = message
      const what = entries.map(describeEntry).join(' ') || 'nothing'
      return `appendEntries term ${term} after ${prevIndex}/${prevTerm}: ${what}, commit ${commitIndex}`
    }
    case 'appendEntriesReply':
      return `appendEntriesReply term ${message.term} match ${message.matchIndex}`
    case 'appendEntriesRefused': {
      const { term, prevIndex, conflictTerm, conflictIndex } = message
      return `appendEntriesRefused term ${term} at ${prevIndex}, conflict term ${conflictTerm} from ${conflictIndex}`
    }
    case 'heartbeat':
      return `heartbeat term ${message.term} commit ${message.commitIndex}`
    case 'installSnapshot':
      return `installSnapshot term ${message.term} at ${message.snapshot.meta.index}`
    default:
      return `${message.kind} term ${message.term}`
  }
}

/** Term, and what it is: configuration, no-op, or its text. */
function describeEntry(entry: Entry): string {
  if (entry.kind === 'noop') return `${entry.term}:noop`
  return entry.kind === 'data' ? `${entry.term}:${quoted(textOf(entry))}` : `${entry.term}:config`
}

/** A number in brackets stands for everything up to that index, which is in a snapshot. */
function describeLog({ life }: Server): string {
  const { log } = life!.raft
  const start = log.baseIndex > 0 ? `(${log.baseIndex}) ` : ''
  if (log.lastIndex === log.baseIndex) return start
  const entries = log.slice((log.baseIndex + 1) as typeof log.baseIndex, Infinity)
  return start + entries.map(describeEntry).join(' ')
}

/** Only the log, and how much of it is committed. */
export function describeLogOf(server: Server): string {
  if (server.life === null) return `${server.id} down`
  const { log } = server.life.raft
  return `${server.id} ${describeLog(server)}; commit ${log.commitIndex}`
}

/** The state of a key-value machine that applied the texts `SET key=value` and `DEL key`. */
export function describeState({ id, life }: Server): string {
  const state = new Map<string, string>()
  for (const text of life?.applied ?? []) {
    const set = /^SET (\S+)=(\S+)$/.exec(text)
    if (set !== null) state.set(set[1]!, set[2]!)
    else if (text.startsWith('DEL ')) state.delete(text.slice(4))
  }
  const pairs = [...state].sort().map(([key, value]) => `${key}=${value}`)
  return `${id} ${pairs.join(' ') || 'nothing'}`
}

export function describeServer(server: Server): string {
  const { life, image } = server
  if (life === null) return `${server.id} down, disk: term ${image.hardState.term} vote ${image.hardState.votedFor}`
  const { raft } = life
  const { log, configurations } = raft
  const { voters, oldVoters, learners } = configurations.current
  const parts = [`${server.id} ${raft.role.kind}${isVoter(configurations.current, raft.id) ? '' : ' (no voter)'}`]
  parts.push(`term ${raft.term} vote ${raft.votedFor}`)
  parts.push(`log ${describeLog(server)}`)
  parts.push(`commit ${log.commitIndex}, applied ${log.appliedIndex}`)
  const old = oldVoters.length > 0 ? ` and ${oldVoters.join()}` : ''
  parts.push(`voters ${voters.join()}${old}${learners.length > 0 ? ` learners ${learners.join()}` : ''}`)
  return parts.join('; ')
}
