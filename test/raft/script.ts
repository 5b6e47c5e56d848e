/**
 * The language of the scenario files: verbs that move a cluster, and a trace of what changed. Every step is also checked
 * against the invariants. `cluster` begins; the rest is in `verbs` below.
 */

import { isVoter } from '../../src/raft/configuration.ts'
import type { Effect, Input } from '../../src/raft/input-effect.ts'
import type { Message } from '../../src/raft/messages.ts'
import type { RaftOptions } from '../../src/raft/options.ts'
import type { Entry } from '../../src/raft/types.ts'
import { toNodeId, toTerm } from '../../src/util/numbers.ts'
import { bytesOf, Cluster, type Observer, type Packet, type Server, textOf } from './cluster.ts'
import { bootstrapEntry, dataEntry } from './entries.ts'
import { Invariants } from './invariants.ts'

export class Script implements Observer {
  #cluster: Cluster | null = null
  #lines: string[] = []
  readonly #before = new Map<number, { role: string; commitIndex: number }>()

  /** Runs one line of a scenario; returns what it caused, a line each. */
  run(line: string): readonly string[] {
    this.#lines = []
    const [verb, ...words] = line.trim().split(/\s+/)
    if (verb === 'cluster') this.#begin(words)
    else {
      const act = verbs[verb!]
      if (act === undefined || this.#cluster === null) throw new Error(`cannot "${line}"`)
      act(this.#cluster, words, text => this.#lines.push(text))
    }
    return this.#lines
  }

  #begin(words: readonly string[]): void {
    const options: Record<string, number> = { electionTimeoutTicks: 10, heartbeatTicks: 2 }
    for (const [key, value] of words.filter(word => word.includes('=')).map(word => word.split('='))) {
      options[key!] = Number(value)
    }
    const voters = words.filter(word => /^\d+$/.test(word)).map(Number)
    const named = (prefix: string): number[] => {
      return words.filter(word => word.startsWith(prefix)).map(word => Number(word.slice(prefix.length)))
    }
    this.#cluster = new Cluster({
      voters,
      learners: named('learner:'),
      spares: named('spare:'),
      options: options as Partial<RaftOptions>,
    })
    this.#cluster.observers.push(this)
    new Invariants(this.#cluster)
    this.#before.clear()
  }

  started(server: Server): void {
    this.#before.set(server.id, stateOf(server))
  }

  stepped(server: Server, _input: Input, effects: readonly Effect[]): void {
    const before = this.#before.get(server.id)!
    const after = stateOf(server)
    this.#before.set(server.id, after)
    if (after.role !== before.role) this.#lines.push(`${server.id} is ${after.role}`)
    if (after.commitIndex > before.commitIndex) this.#lines.push(`${server.id} commits ${after.commitIndex}`)
    for (const effect of effects) {
      const text = describeEffect(effect)
      if (text !== null) this.#lines.push(`${server.id} ${text}`)
    }
  }
}

type Act = (cluster: Cluster, words: readonly string[], say: (text: string) => void) => void

const verbs: Record<string, Act> = {
  /** `image 2 term=3 vote=1 log=1,1,3`: what is on a server's disk before it starts; the first entry is the configuration. */
  image: (cluster, [id, ...settings]) => {
    const { image } = cluster.server(Number(id))
    for (const [key, value] of settings.map(word => word.split('='))) {
      if (key === 'term') image.hardState = { ...image.hardState, term: toTerm(Number(value)) }
      if (key === 'vote') image.hardState = { ...image.hardState, votedFor: toNodeId(Number(value)) }
      if (key === 'log') image.entries = entriesOf(cluster, value!)
    }
  },
  start: (cluster, ids) => {
    for (const id of idsOr(cluster, ids)) cluster.start(id)
  },
  crash: (cluster, ids) => {
    for (const id of ids.map(Number)) cluster.crash(id)
  },
  tick: (cluster, [id, count = '1']) => {
    for (let i = 0; i < Number(count); i++) cluster.drive(Number(id), { kind: 'tick' })
  },
  campaign: (cluster, [id]) => {
    cluster.drive(Number(id), { kind: 'campaign' })
  },
  /** Finishes the write under way. */
  write: (cluster, [id], say) => {
    if (!cluster.finishWrite(Number(id))) say(`${id} has nothing to write`)
  },
  propose: (cluster, [id, ...texts]) => {
    cluster.drive(Number(id), { kind: 'proposal', entries: texts.map(bytesOf) })
    cluster.drive(Number(id), { kind: 'flush' })
  },
  read: (cluster, [id, number]) => {
    cluster.drive(Number(id), { kind: 'readIndex', id: Number(number) })
    cluster.drive(Number(id), { kind: 'flush' })
  },
  transfer: (cluster, [id, to]) => {
    cluster.drive(Number(id), { kind: 'transfer', to: toNodeId(Number(to)) })
  },
  /** `change 1 2,3,4 learners 5` */
  change: (cluster, [id, voters, , learners = '']) => {
    const list = (text: string) => text.split(',').filter(Boolean).map(Number).map(toNodeId)
    cluster.drive(Number(id), { kind: 'changeMembership', voters: list(voters!), learners: list(learners) })
  },
  /** `snapshot 1 0`: of what is applied, keeping so many entries behind it. */
  snapshot: (cluster, [id, retained = '0']) => {
    cluster.takeSnapshot(Number(id), Number(retained))
  },
  /** `deliver 1>2`: what is on that link, in order; `deliver 1>2 last` only the newest; `deliver 1>2 again` leaves copies. */
  deliver: (cluster, [link, how]) => {
    const packets = on(cluster, link!)
    for (const packet of how === 'last' ? packets.slice(-1) : packets) cluster.deliver(packet, how === 'again')
  },
  drop: (cluster, [link]) => {
    for (const packet of on(cluster, link!)) cluster.drop(packet)
  },
  /** Writes and messages among the named servers until all is quiet; what others send or should get is lost. */
  settle: (cluster, ids) => {
    cluster.settle(new Set(idsOr(cluster, ids)))
  },
  network: (cluster, _words, say) => {
    for (const { from, to, message } of cluster.network) say(`${from}>${to} ${describeMessage(message)}`)
  },
  show: (cluster, ids, say) => {
    for (const id of idsOr(cluster, ids)) say(describeServer(cluster.server(id)))
  },
}

function idsOr(cluster: Cluster, words: readonly string[]): readonly number[] {
  return words.length === 0 ? [...cluster.servers.keys()] : words.map(Number)
}

function on(cluster: Cluster, link: string): readonly Packet[] {
  const [from, to] = link.split('>')
  return cluster.network.filter(packet => {
    return (from === '*' || packet.from === Number(from)) && (to === '*' || packet.to === Number(to))
  })
}

function entriesOf(cluster: Cluster, terms: string): Entry[] {
  return terms.split(',').map((term, i) => {
    return i === 0
      ? bootstrapEntry(cluster.configuration, Number(term))
      : dataEntry(i + 1, Number(term), `${term}.${i + 1}`)
  })
}

function stateOf(server: Server): { role: string; commitIndex: number } {
  const { raft } = server.life!
  return { role: `${raft.role.kind} in term ${raft.term}`, commitIndex: raft.log.commitIndex }
}

function describeEffect(effect: Effect): string | null {
  switch (effect.kind) {
    case 'truncated':
      return `truncates from ${effect.from}`
    case 'apply': {
      const texts = effect.entries.filter(entry => entry.kind === 'data').map(textOf)
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

function describeMessage(message: Message): string {
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
  return entry.kind === 'data' ? `${entry.term}:${textOf(entry)}` : `${entry.term}:config`
}

function describeServer(server: Server): string {
  const { life, image } = server
  if (life === null) return `${server.id} down, disk: term ${image.hardState.term} vote ${image.hardState.votedFor}`
  const { raft } = life
  const { log, configurations } = raft
  const { voters, oldVoters, learners } = configurations.current
  const entries =
    log.lastIndex === log.baseIndex ? [] : log.slice((log.baseIndex + 1) as typeof log.baseIndex, Infinity)
  const parts = [`${server.id} ${raft.role.kind}${isVoter(configurations.current, raft.id) ? '' : ' (no voter)'}`]
  parts.push(`term ${raft.term} vote ${raft.votedFor}`)
  parts.push(`log ${log.baseIndex > 0 ? `(${log.baseIndex}) ` : ''}${entries.map(describeEntry).join(' ')}`)
  parts.push(`commit ${log.commitIndex}, applied ${log.appliedIndex}`)
  const old = oldVoters.length > 0 ? ` and ${oldVoters.join()}` : ''
  parts.push(`voters ${voters.join()}${old}${learners.length > 0 ? ` learners ${learners.join()}` : ''}`)
  return parts.join('; ')
}
