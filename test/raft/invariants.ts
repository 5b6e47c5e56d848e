/**
 * What must hold after every step (SPEC.md has the numbers), each in a file of its own below `invariants/`. Everything is
 * compared with what other servers, other lives and the disks say, never with the core's own opinion of itself.
 */
import { isJoint } from '../../src/raft/configuration.ts'
import type { Effect, Input } from '../../src/raft/input-effect.ts'
import { type NodeId, toLogIndex } from '../../src/util/numbers.ts'
import type { Cluster, Observer, Packet, Server } from './cluster.ts'
import { leaderHearsQuorum } from './invariants/check-quorum.ts'
import { committedForEver } from './invariants/committed-for-ever.ts'
import { configurationOfLog } from './invariants/configuration-of-log.ts'
import { diskBeforeWire } from './invariants/disk-before-wire.ts'
import { electionSafety } from './invariants/election-safety.ts'
import { freshReads } from './invariants/fresh-reads.ts'
import { type History, type Invariant, type Seen, seenOf } from './invariants/invariant.ts'
import { leaderAppendOnly } from './invariants/leader-append-only.ts'
import { leaderCompleteness } from './invariants/leader-completeness.ts'
import { logMatching } from './invariants/log-matching.ts'
import { matchIndexRises } from './invariants/match-index.ts'
import { monotonic } from './invariants/monotonic.ts'
import { oneChange } from './invariants/one-change.ts'
import { oneVote } from './invariants/one-vote.ts'
import { quorumOnDisk } from './invariants/quorum-on-disk.ts'
import { stateMachineSafety } from './invariants/state-machine-safety.ts'

export class Invariants implements Observer {
  readonly #all: readonly Invariant[] = [
    electionSafety(),
    leaderAppendOnly(),
    logMatching(),
    leaderCompleteness(),
    stateMachineSafety(),
    diskBeforeWire(),
    oneVote(),
    quorumOnDisk(),
    committedForEver(),
    monotonic(),
    matchIndexRises(),
    freshReads(),
    oneChange(),
    configurationOfLog(),
    leaderHearsQuorum(),
  ]
  readonly #seen = new Map<NodeId, Seen>()
  readonly #committed = new Map<number, number>()
  readonly #history: { -readonly [Key in keyof History]: History[Key] }
  /** What happened at all: a run in which nothing does proves nothing. */
  readonly counts = {
    elections: 0,
    commits: 0,
    truncations: 0,
    snapshotsInstalled: 0,
    reads: 0,
    jointCommits: 0,
    observed: 0,
  }

  constructor(cluster: Cluster) {
    this.#history = { cluster, committed: this.#committed, highestCommit: 0 }
    cluster.observers.push(this)
  }

  get highestCommit(): number {
    return this.#history.highestCommit
  }

  started(server: Server): void {
    this.#seen.set(server.id, seenOf(server))
    for (const invariant of this.#all) invariant.started?.(server)
  }

  stepped(server: Server, input: Input, effects: readonly Effect[]): void {
    const { raft } = server.life!
    const before = this.#seen.get(server.id)!
    const view = { server, raft, input, effects, before, history: this.#history }
    for (const invariant of this.#all) invariant.stepped?.(view)
    this.#count(before, effects, server)
    for (let index = Math.max(raft.log.baseIndex, before.commitIndex) + 1; index <= raft.log.commitIndex; index++) {
      if (this.#committed.has(index)) continue
      this.#committed.set(index, raft.log.termAt(toLogIndex(index))!)
      this.counts.commits++
    }
    this.#history.highestCommit = Math.max(this.#history.highestCommit, raft.log.commitIndex)
    this.#seen.set(server.id, seenOf(server))
  }

  leaving(server: Server, packet: Packet): void {
    for (const invariant of this.#all) invariant.leaving?.(server, packet)
  }

  written(server: Server): void {
    for (const invariant of this.#all) invariant.written?.(server)
  }

  #count(before: Seen, effects: readonly Effect[], { life }: Server): void {
    const { role, term, log } = life!.raft
    const { counts } = this
    if (role.kind === 'leader') {
      if (!before.isLeader || before.term !== term) counts.elections++
      if (log.commitIndex > this.highestCommit && isJoint(before.configuration)) counts.jointCommits++
      for (const id of role.observers.keys()) if (role.progress.get(id)!.matchIndex === log.lastIndex) counts.observed++
    }
    for (const { kind } of effects) {
      if (kind === 'truncated') counts.truncations++
      if (kind === 'restore') counts.snapshotsInstalled++
      if (kind === 'readReady') counts.reads++
    }
  }
}
