/**
 * Majorities, single and joint. Learners never count. A configuration without voters has no quorum at all: a server that
 * does not know its cluster yet must not find itself elected by nobody.
 */
import { type LogIndex, type NodeId, toLogIndex } from '../util/numbers.ts'
import type { Configuration } from './types.ts'

export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1
}

function hasMajority(voters: readonly NodeId[], has: (id: NodeId) => boolean): boolean {
  let count = 0
  for (const id of voters) if (has(id)) count++
  return count >= majorityOf(voters.length)
}

/** True when the servers for which `has` holds can decide: a majority of `voters` and, in joint consensus, of `oldVoters`. */
export function hasQuorum(configuration: Configuration, has: (id: NodeId) => boolean): boolean {
  const { voters, oldVoters } = configuration
  if (voters.length === 0 || !hasMajority(voters, has)) return false
  return oldVoters.length === 0 || hasMajority(oldVoters, has)
}

/** `lost` when no further vote could still win. */
export function tally(
  configuration: Configuration,
  voteOf: (id: NodeId) => boolean | undefined,
): 'won' | 'lost' | 'pending' {
  if (hasQuorum(configuration, id => voteOf(id) === true)) return 'won'
  return hasQuorum(configuration, id => voteOf(id) !== false) ? 'pending' : 'lost'
}

/** The highest index that a quorum has. */
export function quorumIndex(configuration: Configuration, matchIndexOf: (id: NodeId) => LogIndex): LogIndex {
  const { voters, oldVoters } = configuration
  if (voters.length === 0) return toLogIndex(0)
  const index = majorityIndex(voters, matchIndexOf)
  return oldVoters.length === 0 ? index : toLogIndex(Math.min(index, majorityIndex(oldVoters, matchIndexOf)))
}

function majorityIndex(voters: readonly NodeId[], matchIndexOf: (id: NodeId) => LogIndex): LogIndex {
  if (voters.length === 1) return matchIndexOf(voters[0]!)
  const descending = voters.map(matchIndexOf).sort((a, b) => b - a)
  return descending[majorityOf(voters.length) - 1]!
}
