/**
 * The state of a small Raft, for the model checker. Written from the paper's text (Figure 2, section 6) and nothing of
 * `src/raft`, so that the two can disagree.
 *
 * The network is the set of all messages ever sent: each may arrive late, out of order, several times, or never. It is
 * kept as facts, not as messages, because what a server may still receive follows from few of them: a request for votes
 * from what the candidate claimed; any AppendEntries of a term from the log its leader had; an answer from what was
 * granted or acknowledged. Facts that nobody can act upon any more are dropped (`withoutDeadFacts`).
 */

/** An entry is one character (term and content), a log a string of them: cheap to compare, to cut and to hash. */
export type Log = string

export type Role = 'follower' | 'candidate' | 'leader'

export interface Server {
  readonly term: number
  /** Number of a server, or -1. On disk with the term, always: losing both unsent is as if the step had not happened. */
  readonly votedFor: number
  readonly role: Role
  /** Bit set of those whose consent to the present candidacy is on the way or here. */
  readonly grants: number
  readonly log: Log
  /** Entries of `log` that are on disk; the rest goes with a crash. */
  readonly flushedCount: number
}

/** What was sent in one term. */
export interface Term {
  readonly leader: number
  /** All its leader ever had: it only appends. */
  readonly log: Log
  readonly commitCount: number
  /** How much each server acknowledged. */
  readonly acks: readonly number[]
  /** The log with which each server asked for votes (its length and its last term), or 0. */
  readonly claims: readonly number[]
}

export interface State {
  readonly servers: readonly Server[]
  readonly terms: readonly Term[]
  /** All that any leader ever committed. */
  readonly committed: Log
  /** For each of these entries, the term in which it was first committed: leaders of later terms must have it. */
  readonly committedIn: readonly number[]
  readonly requestCount: number
}

/** Bit sets of servers; `oldVoters` is 0 but in joint consensus. */
export interface Configuration {
  readonly voters: number
  readonly oldVoters: number
  /** Numbers of the configurations it may change to. */
  readonly next: readonly number[]
}

const contentCountMax = 32
/** Entries are characters that are nothing else in a key. */
const entryBase = 0x100
export const firstConfiguration = 16
export const noop = 0

export const entryOf = (term: number, content: number): Log =>
  String.fromCharCode(entryBase + term * contentCountMax + content)
export const configurationEntry = (term: number, number: number): Log => entryOf(term, firstConfiguration + number)
export const lastTermOf = (log: Log): number => termAt(log, log.length)
export const contentAt = (log: Log, index: number): number => (log.charCodeAt(index - 1) - entryBase) % contentCountMax

/** Index 0 is before the first entry. */
export function termAt(log: Log, index: number): number {
  return index === 0 ? 0 : Math.floor((log.charCodeAt(index - 1) - entryBase) / contentCountMax)
}

/** Index of the latest configuration in the log (it counts from there on, committed or not), or 0. */
export function configurationIndex(log: Log): number {
  let index = log.length
  while (index > 0 && contentAt(log, index) < firstConfiguration) index--
  return index
}

export const configurationAt = (log: Log, index: number): number => contentAt(log, index) - firstConfiguration

export const claimOf = (log: Log): number => log.length * 8 + lastTermOf(log)
/** Section 5.4.1: the last term first, then the length. */
export function isUpToDate(claim: number, log: Log): boolean {
  const lastTerm = claim % 8
  return lastTerm !== lastTermOf(log) ? lastTerm > lastTermOf(log) : Math.floor(claim / 8) >= log.length
}

export function replaced<T>(list: readonly T[], index: number, item: T): readonly T[] {
  const copy = list.slice()
  copy[index] = item
  return copy
}

/** Nothing was sent in it; one object for each number of servers, so that it is cheap to recognise. */
export function newTerm(serverCount: number): Term {
  let term = newTerms[serverCount]
  if (term === undefined) {
    const zeros = new Array<number>(serverCount).fill(0)
    term = newTerms[serverCount] = { leader: -1, log: '', commitCount: 0, acks: zeros, claims: zeros }
  }
  return term
}

const newTerms: Term[] = []

/** The same state without facts that no later step can use: there are far fewer of those. */
export function withoutDeadFacts(state: State): State {
  const { servers } = state
  const terms = state.terms.map((term, number) => withoutDeadFactsOf(servers, term, number))
  // No leader of a term that everybody has left behind is still to come.
  let lowestTerm = Number.POSITIVE_INFINITY
  for (const { term } of servers) lowestTerm = Math.min(lowestTerm, term)
  const committedIn = state.committedIn.map(term => (term < lowestTerm ? 0 : term))
  return { ...state, terms, committedIn }
}

function withoutDeadFactsOf(servers: readonly Server[], term: Term, number: number): Term {
  const nothing = newTerm(servers.length)
  if (term === nothing) return term
  const { leader } = term
  const isLeading = leader >= 0 && servers[leader]!.term === number && servers[leader]!.role === 'leader'
  const isHeard = servers.some((server, i) => i !== leader && server.term <= number)
  if (!isHeard && !isLeading) return nothing
  const claims = term.claims.map((claim, candidate) => (claim > 0 && isOpen(servers, candidate, number) ? claim : 0))
  return { ...term, acks: isLeading ? term.acks : nothing.acks, claims }
}

/** Whether anybody may still act upon that candidate's request for votes. */
function isOpen(servers: readonly Server[], candidate: number, number: number): boolean {
  return servers.some(({ term, votedFor }, i) => {
    return i !== candidate && (term < number || (term === number && votedFor === -1))
  })
}

/** A newer term makes a follower that has not voted; the write of the term comes after those of the log. */
export function inTerm(server: Server, term: number): Server {
  if (term === server.term) return server
  return { ...server, term, votedFor: -1, role: 'follower', grants: 0, flushedCount: server.log.length }
}

export function withServer(state: State, i: number, server: Server): State {
  return { ...state, servers: replaced(state.servers, i, server) }
}

export function withTerm(state: State, number: number, term: Term): State {
  return { ...state, terms: replaced(state.terms, number, term) }
}

export function withCommitted(state: State, prefix: Log, term: number): State {
  const newCount = prefix.length - state.committed.length
  if (newCount <= 0) return state
  const committedIn = [...state.committedIn, ...new Array<number>(newCount).fill(term)]
  return { ...state, committed: prefix, committedIn }
}

export const isIn = (mask: number, i: number): boolean => ((mask >> i) & 1) === 1
