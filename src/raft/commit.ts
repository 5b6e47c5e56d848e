/** Deciding what is committed, and what follows from it for membership. */
import { type LogIndex, toLogIndex } from '../util/numbers.ts'
import { isJoint, isVoter, nextConfiguration } from './configuration.ts'
import { hasQuorum, quorumIndex } from './quorum-math.ts'
import { appendConfiguration } from './roles.ts'
import type { Leader, Raft } from './state.ts'
import type { Configuration } from './types.ts'

/** Called whenever a `matchIndex` or the leader's own disk moved. */
export function advanceCommit(raft: Raft, leader: Leader): void {
  const { log } = raft
  const index = committedByQuorum(raft, leader)
  if (index <= log.commitIndex) return
  // Counting replicas proves an entry safe only in our own term (section 5.4.2): an older entry on a majority can still
  // be overwritten. Older entries commit along with our first one.
  if (raft.rules.countOnlyOwnTerm && log.termAt(index) !== raft.term) return
  log.commitUpTo(index)
  maybeLeaveJoint(raft, leader)
}

function committedByQuorum(raft: Raft, leader: Leader): LogIndex {
  const { log, rules } = raft
  const ownIndex = rules.leaderCountsOwnDisk ? log.persistedIndex : log.lastIndex
  return quorumIndex(countedConfiguration(raft, leader), id =>
    id === raft.id ? ownIndex : (leader.progress.get(id)?.matchIndex ?? toLogIndex(0)),
  )
}

/** The current one, unless a test broke the rules of who counts. */
function countedConfiguration({ configurations, rules }: Raft, leader: Leader): Configuration {
  let { current } = configurations
  if (!rules.bothMajorities) current = { ...current, oldVoters: [] }
  if (!rules.learnersDoNotCount) current = { ...current, voters: [...current.voters, ...current.learners] }
  if (!rules.observersDoNotCount) current = { ...current, voters: [...current.voters, ...leader.observers.keys()] }
  return current
}

/**
 * The joint configuration has done its work once it is committed; whoever leads then ends it, also a leader that found
 * it in its log. It happens once: afterwards the current configuration is not joint.
 */
function maybeLeaveJoint(raft: Raft, leader: Leader): void {
  const { configurations, log } = raft
  const { current } = configurations
  if (!isJoint(current) || configurations.currentIndex > log.commitIndex) return
  const { voters, learners } = current
  appendConfiguration(raft, leader, nextConfiguration(current, { voters, oldVoters: [], learners }))
}

/** A leader that is not in the committed configuration any more has no business leading (section 6). */
export function isRemoved(raft: Raft): boolean {
  const { configurations, log } = raft
  return configurations.currentIndex <= log.commitIndex && !isVoter(configurations.current, raft.id)
}

/** CheckQuorum: true when a quorum was heard from within an election timeout (thesis, section 6.2). */
export function hearsQuorum(raft: Raft, leader: Leader): boolean {
  const oldestTick = raft.tick - raft.options.electionTimeoutTicks
  return hasQuorum(raft.configurations.current, id => {
    return id === raft.id || (leader.progress.get(id)?.lastHeardTick ?? Number.NEGATIVE_INFINITY) >= oldestTick
  })
}
