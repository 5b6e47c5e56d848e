/**
 * The language of the scenario files: verbs that move a cluster, and a trace of what changed. Every step is also checked
 * against the invariants. `cluster` begins; the rest is in `verbs` below.
 */
import type { Effect, Input } from '../../src/raft/input-effect.ts'
import { type RaftOptions, type Rules, soundRules } from '../../src/raft/options.ts'
import type { Entry } from '../../src/raft/types.ts'
import { toNodeId, toTerm } from '../../src/util/numbers.ts'
import { bytesOf, Cluster, type Observer, type Packet, type Server } from './cluster.ts'
import { describeEffect, describeLogOf, describeMessage, describeServer, describeState } from './describe.ts'
import { bootstrapEntry, dataEntry } from './entries.ts'
import { Invariants } from './invariants.ts'

export class Script implements Observer {
  #cluster: Cluster | null = null
  #lines: string[] = []
  #isBreakable = false
  readonly #before = new Map<number, { role: string; commitIndex: number }>()

  /** Runs one line of a scenario; returns what it caused, a line each. */
  run(line: string): readonly string[] {
    this.#lines = []
    const [verb, ...words] = wordsOf(line)
    if (verb === 'cluster') this.#begin(words)
    else {
      const act = verbs[verb!]
      if (act === undefined || this.#cluster === null) throw new Error(`cannot "${line}"`)
      this.#act(this.#cluster, act, words)
    }
    return this.#lines
  }

  /** In a cluster without one of the rules the broken invariant is what the scenario shows. */
  #act(cluster: Cluster, act: Act, words: readonly string[]): void {
    try {
      const quietly = act(cluster, words, text => this.#lines.push(text))
      if (quietly !== undefined) this.#lines = [quietly]
    } catch (cause) {
      if (!this.#isBreakable || (cause as Error).name !== 'AssertionError') throw cause
      this.#lines.push(`BROKEN: ${(cause as Error).message.split('\n')[0]}`)
      this.#cluster = null
    }
  }

  /** `cluster 1 2 3 learner:4 spare:5 inFlightCountMax=2 without:electionRestriction` */
  #begin(words: readonly string[]): void {
    const options: Record<string, number> = { electionTimeoutTicks: 10, heartbeatTicks: 2 }
    for (const [key, value] of words.filter(word => word.includes('=')).map(word => word.split('='))) {
      options[key!] = Number(value)
    }
    const rules: Record<string, boolean> = {}
    for (const word of words.filter(word => word.startsWith('without:'))) rules[word.slice('without:'.length)] = false
    for (const rule of Object.keys(rules)) if (!(rule in soundRules)) throw new Error(`no rule ${rule}`)
    this.#isBreakable = Object.keys(rules).length > 0
    const voters = words.filter(word => /^\d+$/.test(word)).map(Number)
    const named = (prefix: string): number[] => {
      return words.filter(word => word.startsWith(prefix)).map(word => Number(word.slice(prefix.length)))
    }
    this.#cluster = new Cluster({
      voters,
      learners: named('learner:'),
      spares: named('spare:'),
      options: options as Partial<RaftOptions>,
      rules: rules as Partial<Rules>,
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

/** Returns a sentence when that is to be printed instead of all that happened. */
type Act = (cluster: Cluster, words: readonly string[], say: (text: string) => void) => string | undefined | void

const held = new WeakMap<Cluster, readonly Packet[]>()

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
  /** Its disk is gone: it starts blank, under the old number. */
  wipe: (cluster, [id]) => {
    cluster.wipe(Number(id))
  },
  tick: (cluster, [id, count = '1']) => {
    for (let i = 0; i < Number(count); i++) cluster.drive(Number(id), { kind: 'tick' })
  },
  campaign: (cluster, [id]) => {
    cluster.drive(Number(id), { kind: 'campaign' })
  },
  /**
   * `elect 2 3 4`: 2 is elected with the votes of 3 and 4 alone, who have lost patience with whoever leads. Without
   * voters named: of all.
   */
  elect: (cluster, [id, ...others]) => {
    const among = new Set([Number(id), ...idsOr(cluster, others)])
    for (const one of among) loseThePatience(cluster, one)
    cluster.drive(Number(id), { kind: 'campaign' })
    cluster.settle(among)
    const raft = cluster.raft(Number(id))
    return `${id} ${raft.role.kind === 'leader' ? 'leads' : `is ${raft.role.kind} in`} term ${raft.term}`
  },
  /** Time passes, nothing is lost, until one of the named servers leads and all of them have the same, committed. */
  heal: (cluster, ids) => {
    const among = idsOr(cluster, ids)
    for (let rounds = 1; rounds <= 300; rounds++) {
      for (const id of among) cluster.drive(id, { kind: 'tick' })
      cluster.settle(new Set(among))
      if (isHealed(cluster, among)) return `healed: one leader, the same log on ${among.join()}`
    }
    return `not healed: ${among.map(id => describeServer(cluster.server(id))).join(' | ')}`
  },
  /** `pass 5 1 2`: five ticks among 1 and 2, each delivered and written before the next. */
  pass: (cluster, [count, ...ids]) => {
    const among = idsOr(cluster, ids)
    for (let i = 0; i < Number(count); i++) {
      for (const id of among) cluster.drive(id, { kind: 'tick' })
      cluster.settle(new Set(among))
    }
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
  observe: (cluster, [id, observer]) => {
    cluster.drive(Number(id), { kind: 'observe', id: toNodeId(Number(observer)) })
  },
  unobserve: (cluster, [id, observer]) => {
    cluster.drive(Number(id), { kind: 'unobserve', id: toNodeId(Number(observer)) })
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
  /** `hold 3>1`: what is on that link comes late, and only when it is told to: `release`. */
  hold: (cluster, [link]) => {
    const packets = on(cluster, link!)
    held.set(cluster, [...(held.get(cluster) ?? []), ...packets])
    cluster.network = cluster.network.filter(packet => !packets.includes(packet))
  },
  release: cluster => {
    cluster.network.push(...(held.get(cluster) ?? []))
    held.delete(cluster)
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
  /** What the key-value machines hold. */
  state: (cluster, ids, say) => {
    for (const id of idsOr(cluster, ids)) say(describeState(cluster.server(id)))
  },
  logs: (cluster, ids, say) => {
    for (const id of idsOr(cluster, ids)) say(describeLogOf(cluster.server(id)))
  },
  show: (cluster, ids, say) => {
    for (const id of idsOr(cluster, ids)) say(describeServer(cluster.server(id)))
  },
}

/** Words between spaces; one in double quotes may have spaces. */
function wordsOf(line: string): readonly string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, text, word]) => text ?? word!)
}

/** It has heard from nobody for an election timeout, and whatever it said about that is lost. */
function loseThePatience(cluster: Cluster, id: number): void {
  const before = new Set(cluster.network)
  const isWaiting = () => ['follower', 'leader'].includes(cluster.raft(id).role.kind)
  for (let i = 0; i < 11 && isWaiting(); i++) cluster.drive(id, { kind: 'tick' })
  for (const packet of [...cluster.network]) if (!before.has(packet)) cluster.drop(packet)
}

function isHealed(cluster: Cluster, among: readonly number[]): boolean {
  const rafts = among.map(id => cluster.raft(id))
  const { log } = rafts[0]!
  return (
    rafts.filter(raft => raft.role.kind === 'leader').length === 1 &&
    rafts.every(raft => raft.log.lastIndex === log.lastIndex && raft.log.lastTerm === log.lastTerm) &&
    rafts.every(raft => raft.log.commitIndex === log.lastIndex)
  )
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
