/** The steps of a small Raft: elections, replication, crashes, membership; and the rules that a variant may leave out. */
import type { Emit, Model } from './explore.ts'
import { brokenIn, missingIn } from './raft-invariants.ts'
import {
  type Configuration,
  claimOf,
  configurationAt,
  configurationEntry,
  configurationIndex,
  entryOf,
  inTerm,
  isIn,
  isUpToDate,
  newTerm,
  noop,
  replaced,
  type Server,
  type State,
  termAt,
  withCommitted,
  withoutDeadFacts,
  withServer,
  withTerm,
} from './raft-state.ts'
import { describeLog, describeState } from './raft-text.ts'
import { canonicalKey, type Renaming, renamings } from './symmetry.ts'

export interface Rules {
  /** A leader counts replicas only of entries of its own term (section 5.4.2). */
  readonly countOnlyOwnTerm: boolean
  /** A voter refuses whoever's log is behind its own (section 5.4.1). */
  readonly electionRestriction: boolean
  /** The vote survives a restart (Figure 2). */
  readonly voteOnDisk: boolean
  /** A follower acknowledges only what is on its disk (Figure 2). */
  readonly diskBeforeAck: boolean
  /** A leader counts itself only as far as its own disk (thesis, section 10.2.1). */
  readonly leaderCountsOwnDisk: boolean
  /** An append is accepted only behind a matching entry (section 5.3). */
  readonly logMatching: boolean
  /** In joint consensus both majorities decide (section 6). */
  readonly bothMajorities: boolean
  /** No change of membership before an entry of the leader's own term is committed (Ongaro, raft-dev, 2015). */
  readonly ownTermBeforeChange: boolean
}

export const soundRules: Rules = {
  countOnlyOwnTerm: true,
  electionRestriction: true,
  voteOnDisk: true,
  diskBeforeAck: true,
  leaderCountsOwnDisk: true,
  logMatching: true,
  bothMajorities: true,
  ownTermBeforeChange: true,
}

export interface Scope {
  readonly serverCount: number
  readonly termMax: number
  /** Values that clients ask for, each once. */
  readonly requestMax: number
  /** The first one is in the log of all its voters to begin with. */
  readonly configurations: readonly Configuration[]
  /** A new leader opens its term with an entry that means nothing (section 8). */
  readonly hasNoop: boolean
  readonly rules: Rules
}

export class RaftModel implements Model<State> {
  readonly initial: State
  readonly #scope: Scope
  readonly #renamings: readonly Renaming[]

  constructor(scope: Scope) {
    this.#scope = scope
    const { serverCount, termMax, configurations } = scope
    const first = configurationEntry(0, 0)
    const servers = Array.from({ length: serverCount }, (_, i): Server => {
      const log = isIn(configurations[0]!.voters, i) ? first : ''
      return { term: 0, votedFor: -1, role: 'follower', grants: 0, log, flushedCount: log.length }
    })
    const terms = Array.from({ length: termMax + 1 }, () => newTerm(serverCount))
    this.initial = { servers, terms, committed: first, committedIn: [0], requestCount: 0 }
    this.#renamings = renamings(serverCount, configurations)
  }

  keyOf(state: State): string {
    return canonicalKey(state, this.#renamings)
  }

  describe(state: State): string {
    return describeState(state)
  }

  expand(state: State, emit: Emit<State>): void {
    const { termMax } = this.#scope
    const say: Emit<State> = (next, broken, label) => emit(withoutDeadFacts(next), broken ?? brokenIn(next), label)
    for (const [i, server] of state.servers.entries()) {
      this.#crash(state, i, say)
      if (server.flushedCount < server.log.length) this.#flush(state, i, say)
      if (server.role !== 'leader' && server.term < termMax && server.log !== '') this.#campaign(state, i, say)
      if (server.role === 'candidate') this.#lead(state, i, say)
      if (server.role === 'leader') {
        this.#propose(state, i, say)
        this.#commit(state, i, say)
      }
      for (let term = server.term; term <= termMax; term++) {
        this.#vote(state, i, term, say)
        this.#receive(state, i, term, say)
      }
    }
  }

  /** Forgets what is not on disk. */
  #crash(state: State, i: number, emit: Emit<State>): void {
    const server = state.servers[i]!
    const log = server.log.slice(0, server.flushedCount)
    const votedFor = this.#scope.rules.voteOnDisk ? server.votedFor : -1
    if (server.role === 'follower' && log === server.log && votedFor === server.votedFor) return
    emit(
      withServer(state, i, { ...server, votedFor, role: 'follower', grants: 0, log }),
      null,
      () => `${i + 1} restarts`,
    )
  }

  #flush(state: State, i: number, emit: Emit<State>): void {
    const server = state.servers[i]!
    emit(withServer(state, i, { ...server, flushedCount: server.log.length }), null, () => `${i + 1} writes its log`)
  }

  #campaign(state: State, i: number, emit: Emit<State>): void {
    const server = state.servers[i]!
    const term = server.term + 1
    const candidate = { ...inTerm(server, term), votedFor: i, role: 'candidate' as const, grants: 1 << i }
    const facts = state.terms[term]!
    const claims = replaced(facts.claims, i, claimOf(server.log))
    emit(
      withTerm(withServer(state, i, candidate), term, { ...facts, claims }),
      null,
      () => `${i + 1} asks for votes in term ${term}`,
    )
  }

  /** Server `i` receives the requests for votes of `term`. */
  #vote(state: State, i: number, term: number, emit: Emit<State>): void {
    for (const [candidate, claim] of state.terms[term]!.claims.entries()) {
      if (candidate === i || claim === 0) continue
      const voter = inTerm(state.servers[i]!, term)
      const isFree = voter.votedFor === -1 || voter.votedFor === candidate
      const isGranted = isFree && (!this.#scope.rules.electionRestriction || isUpToDate(claim, voter.log))
      let next = withServer(state, i, isGranted ? { ...voter, votedFor: candidate } : voter)
      const asking = next.servers[candidate]!
      if (isGranted && asking.role === 'candidate' && asking.term === term) {
        next = withServer(next, candidate, { ...asking, grants: asking.grants | (1 << i) })
      }
      if (isGranted || voter !== state.servers[i]) {
        emit(next, null, () => `${i + 1} ${isGranted ? 'votes for' : 'refuses'} ${candidate + 1} in term ${term}`)
      }
    }
  }

  #lead(state: State, i: number, emit: Emit<State>): void {
    const server = state.servers[i]!
    const { term } = server
    if (!this.#isQuorum(server.log, server.grants)) return
    const facts = state.terms[term]!
    const log = this.#scope.hasNoop ? server.log + entryOf(term, noop) : server.log
    const next = withServer(state, i, { ...server, role: 'leader', grants: 0, log })
    let broken: string | null = null
    if (facts.leader >= 0) broken = `election safety: ${facts.leader + 1} and ${i + 1} lead term ${term}`
    else broken = missingIn(state, server)
    const acks = newTerm(state.servers.length).acks
    emit(
      withTerm(next, term, { ...facts, leader: i, log, commitCount: 0, acks }),
      broken,
      () => `${i + 1} leads term ${term}`,
    )
  }

  #propose(state: State, i: number, emit: Emit<State>): void {
    const { log, term } = state.servers[i]!
    if (state.requestCount < this.#scope.requestMax) {
      const value = state.requestCount + 1
      this.#append({ ...state, requestCount: value }, i, entryOf(term, value), emit)
    }
    const index = configurationIndex(log)
    // Once it is committed; without the rule, also when another leader did it, which this one may have been told.
    const isCommitted = state.terms[term]!.commitCount >= index
    const isKnown = !this.#scope.rules.ownTermBeforeChange && state.committed.startsWith(log.slice(0, index))
    if (!isCommitted && !isKnown) return
    for (const number of this.#scope.configurations[configurationAt(log, index)]!.next) {
      this.#append(state, i, configurationEntry(term, number), emit)
    }
  }

  /** In the leader's memory: its disk comes later, others may be faster. */
  #append(state: State, i: number, entry: string, emit: Emit<State>): void {
    const server = state.servers[i]!
    const log = server.log + entry
    const next = withServer(state, i, { ...server, log })
    const facts = { ...state.terms[server.term]!, log }
    emit(withTerm(next, server.term, facts), null, () => `${i + 1} appends ${describeLog(entry)}`)
  }

  /** Server `i` receives an AppendEntries of `term`, with one entry behind any place of the log its leader had. */
  #receive(state: State, i: number, term: number, emit: Emit<State>): void {
    const facts = state.terms[term]!
    if (facts.leader < 0 || facts.leader === i || !this.#isSentTo(facts.log, i)) return
    const follower = { ...inTerm(state.servers[i]!, term), role: 'follower' as const, grants: 0 }
    const { log } = follower
    if (follower.term > state.servers[i]!.term || state.servers[i]!.role === 'candidate') {
      emit(withServer(state, i, follower), null, () => `${i + 1} hears from the leader of term ${term}`)
    }
    for (let prevIndex = 0; prevIndex < facts.log.length; prevIndex++) {
      const isMatching = prevIndex <= log.length && termAt(log, prevIndex) === termAt(facts.log, prevIndex)
      if (!isMatching && (this.#scope.rules.logMatching || prevIndex > log.length)) continue
      const entry = facts.log[prevIndex]!
      const isHere = termAt(log, prevIndex + 1) === termAt(facts.log, prevIndex + 1)
      const nextLog = prevIndex < log.length && isHere ? log : log.slice(0, prevIndex) + entry
      const writtenCount = nextLog === log ? follower.flushedCount : Math.min(follower.flushedCount, prevIndex)
      const flushedCount = this.#scope.rules.diskBeforeAck ? nextLog.length : writtenCount
      const acks = replaced(facts.acks, i, Math.max(facts.acks[i]!, prevIndex + 1))
      const next = withTerm(withServer(state, i, { ...follower, log: nextLog, flushedCount }), term, { ...facts, acks })
      // The commit index that comes with it counts as far as the entry it comes with (Figure 2).
      const appliedCount = Math.min(facts.commitCount, prevIndex + 1)
      const isSafe = nextLog.slice(0, appliedCount) === state.committed.slice(0, appliedCount)
      const broken = isSafe
        ? null
        : `state machine safety: ${i + 1} applies ${describeLog(nextLog.slice(0, appliedCount))}`
      emit(
        next,
        broken,
        () => `${i + 1} gets ${describeLog(entry)} at ${prevIndex + 1} from the leader of term ${term}`,
      )
    }
  }

  #commit(state: State, i: number, emit: Emit<State>): void {
    const { log, term, flushedCount } = state.servers[i]!
    const facts = state.terms[term]!
    const ownCount = this.#scope.rules.leaderCountsOwnDisk ? flushedCount : log.length
    let count = log.length
    const holders = (index: number) =>
      facts.acks.reduce((mask, ack, j) => mask | ((j === i ? ownCount : ack) >= index ? 1 << j : 0), 0)
    while (count > facts.commitCount && !this.#isQuorum(log, holders(count))) count--
    if (count <= facts.commitCount) return
    if (this.#scope.rules.countOnlyOwnTerm && termAt(log, count) !== term) return
    const prefix = log.slice(0, count)
    const isSafe = prefix.startsWith(state.committed) || state.committed.startsWith(prefix)
    const broken = isSafe
      ? null
      : `state machine safety: ${describeLog(state.committed)} and ${describeLog(prefix)} are committed`
    const next = withTerm(withCommitted(state, prefix, term), term, { ...facts, commitCount: count })
    emit(this.#leaveIfRemoved(next, i, count), broken, () => `${i + 1} commits ${count}`)
  }

  /** A leader that is not in the committed configuration leads no more (section 6). */
  #leaveIfRemoved(state: State, i: number, commitCount: number): State {
    const server = state.servers[i]!
    const index = configurationIndex(server.log)
    const { voters, oldVoters } = this.#scope.configurations[configurationAt(server.log, index)]!
    if (index > commitCount || isIn(voters | oldVoters, i)) return state
    return withServer(state, i, { ...server, role: 'follower' })
  }

  #isQuorum(log: string, members: number): boolean {
    const { voters, oldVoters } = this.#scope.configurations[configurationAt(log, configurationIndex(log))]!
    if (!isMajority(voters, members)) return false
    return oldVoters === 0 || !this.#scope.rules.bothMajorities || isMajority(oldVoters, members)
  }

  /** A leader sends to the members of the configurations it has had. */
  #isSentTo(log: string, i: number): boolean {
    for (let index = configurationIndex(log); index > 0; index = configurationIndex(log.slice(0, index - 1))) {
      const { voters, oldVoters } = this.#scope.configurations[configurationAt(log, index)]!
      if (isIn(voters | oldVoters, i)) return true
    }
    return false
  }
}

function isMajority(voters: number, members: number): boolean {
  return 2 * countOf(voters & members) > countOf(voters)
}

function countOf(mask: number): number {
  let count = 0
  for (let rest = mask; rest > 0; rest >>= 1) count += rest & 1
  return count
}
