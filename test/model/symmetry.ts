/** Symmetry: states that differ only in the names of servers are one. */
import { type Configuration, isIn, type State } from './raft-state.ts'

/** Server `order[i]` takes the place of server `i`. */
export type Renaming = readonly number[]

/** Those that leave every configuration as it is. */
export function renamings(serverCount: number, configurations: readonly Configuration[]): readonly Renaming[] {
  const isSame = (order: Renaming, set: number) => order.every((server, i) => isIn(set, server) === isIn(set, i))
  return permutations([...new Array(serverCount).keys()]).filter(order => {
    return configurations.every(({ voters, oldVoters }) => isSame(order, voters) && isSame(order, oldVoters))
  })
}

export function canonicalKey(state: State, all: readonly Renaming[]): string {
  const signatures = state.servers.map((_, i) => signature(state, i))
  return leastKey(signatures, all, order => encode(state, order, signatures))
}

/** Of the renamings that put the servers' signatures in order (mostly there is one) the one with the least key. */
export function leastKey(
  signatures: readonly string[],
  all: readonly Renaming[],
  encode: (order: Renaming) => string,
): string {
  let orders: Renaming[] = []
  for (const order of all) {
    const comparison = orders.length === 0 ? -1 : compareThrough(signatures, order, orders[0]!)
    if (comparison < 0) orders = [order]
    else if (comparison === 0) orders.push(order)
  }
  let least = encode(orders[0]!)
  for (let i = 1; i < orders.length; i++) {
    const key = encode(orders[i]!)
    if (key < least) least = key
  }
  return least
}

/** All of a server that does not name another one, as a string. */
function signature({ servers, terms }: State, i: number): string {
  const { term, votedFor, role, log, flushedCount } = servers[i]!
  let text = `|${term}${votedFor === -1 ? 0 : votedFor === i ? 1 : 2}${role[0]}${flushedCount}${log}`
  for (const { leader, acks, claims } of terms) text += `,${leader === i ? 1 : 0}${acks[i]}.${claims[i]}`
  return text
}

/** The state as a string, seen through a renaming: server `order[0]` first. */
function encode(state: State, order: Renaming, signatures: readonly string[]): string {
  let text = `${state.committed} ${state.committedIn.join('')} ${state.requestCount}`
  for (const i of order) {
    const { votedFor, grants } = state.servers[i]!
    text += signatures[i]!
    if (votedFor >= 0 && votedFor !== i) text += `v${order.indexOf(votedFor)}`
    if (grants === 0) continue
    text += 'g'
    for (const j of order) text += (grants >> j) & 1
  }
  for (const { log, commitCount } of state.terms) text += `/${commitCount}${log}`
  return text
}

function compareThrough(signatures: readonly string[], one: Renaming, other: Renaming): number {
  for (let i = 0; i < one.length; i++) {
    const a = signatures[one[i]!]!
    const b = signatures[other[i]!]!
    if (a !== b) return a < b ? -1 : 1
  }
  return 0
}

function permutations(items: readonly number[]): readonly Renaming[] {
  if (items.length === 0) return [[]]
  return items.flatMap(first => permutations(items.filter(item => item !== first)).map(rest => [first, ...rest]))
}
