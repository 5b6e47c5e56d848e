/**
 * One server's Raft state. Owned by `step`; everything else reads. A field exists exactly while it means something: what
 * belongs to a role is in the role.
 */
import { assert } from '../util/assert.ts'
import type { LogIndex, NodeId, Term } from '../util/numbers.ts'
import type { Random } from '../util/random.ts'
import { ConfigurationHistory, decodeConfiguration, noConfiguration } from './configuration.ts'
import { Durability } from './durability.ts'
import type { Effect } from './input-effect.ts'
import { LogView, noIndex, noTerm } from './log-view.ts'
import type { Message } from './messages.ts'
import { checkRaftOptions, type RaftOptions, type Rules, soundRules } from './options.ts'
import type { Progress } from './progress.ts'
import { hasQuorum } from './quorum-math.ts'
import type { LoadedState } from './storage.ts'
import type { Snapshot, SnapshotMeta } from './types.ts'

export interface Follower {
  readonly kind: 'follower'
  leaderId: NodeId | null
  /** Since this server last heard from its leader, granted a vote, or began to follow. */
  electionElapsedTicks: number
  /** Drawn anew for each wait, between one and two election timeouts. */
  readonly electionTimeoutTicks: number
}

/** Asking whether an election could be won; the term is not touched. */
export interface PreCandidate {
  readonly kind: 'preCandidate'
  readonly votes: Map<NodeId, boolean>
  electionElapsedTicks: number
  readonly electionTimeoutTicks: number
}

export interface Candidate {
  readonly kind: 'candidate'
  /** This server's own vote is in it only once the vote is on disk. */
  readonly votes: Map<NodeId, boolean>
  electionElapsedTicks: number
  readonly electionTimeoutTicks: number
}

export interface Leader {
  readonly kind: 'leader'
  /** Of everyone it feeds: every other member, learners too, and the observers. */
  readonly progress: Map<NodeId, Progress>
  /** Those it feeds that are in no configuration, with their disks where known. They decide nothing. */
  readonly observers: Map<NodeId, string | null>
  heartbeatElapsedTicks: number
  /** Index of the no-op that opened this term. Once it is committed, so is everything before it. */
  readonly termStartIndex: LogIndex
  /** The no-op is applied and the outside was told. */
  isReady: boolean
  /** Rises with each confirmation of leadership that a read asked for. */
  round: number
  /** Reads that no round was started for yet. */
  readonly newReads: number[]
  /** Reads waiting for a quorum to answer their round, in order. */
  readonly waitingReads: { readonly ids: readonly number[]; readonly index: LogIndex; readonly round: number }[]
  transfer: { readonly to: NodeId; elapsedTicks: number; isSent: boolean } | null
}

export type Role = Follower | PreCandidate | Candidate | Leader

export interface Raft {
  readonly id: NodeId
  /** Of the disk this server remembers on; `null` where only numbers tell servers apart. */
  readonly diskId: string | null
  readonly options: RaftOptions
  readonly rules: Rules
  readonly random: Random
  /** Never falls, also across restarts. */
  term: Term
  /** At most one in a term, also across restarts. */
  votedFor: NodeId | null
  role: Role
  readonly log: LogView
  readonly durability: Durability
  readonly configurations: ConfigurationHistory
  /** The newest snapshot that is on disk; never goes back. */
  snapshot: SnapshotMeta | null
  /** A received snapshot on its way to disk; `write` is 0 until its write is numbered. */
  installing: { readonly snapshot: Snapshot; write: number } | null
  /** Ticks since the start. */
  tick: number
  /** Counts campaigns, to tell the answers to one from those to another. */
  campaign: number
  /** Collected by the current step. */
  effects: Effect[]
}

/** A server as it was when it stopped: everything it knows comes from `loaded`. It begins as a follower. */
export function createRaft(
  id: NodeId,
  loaded: LoadedState,
  options: RaftOptions,
  random: Random,
  rules: Rules = soundRules,
  diskId: string | null = null,
): Raft {
  checkRaftOptions(options)
  const meta = loaded.snapshot?.meta ?? null
  const log = new LogView(meta?.index ?? noIndex, meta?.term ?? noTerm, loaded.entries)
  const configurations = new ConfigurationHistory(log.baseIndex, meta?.configuration ?? noConfiguration)
  for (const entry of loaded.entries) {
    if (entry.kind === 'configuration') configurations.add(entry.index, decodeConfiguration(entry))
  }
  assert(log.lastTerm <= loaded.hardState.term, 'the log is not newer than the term')
  return {
    id,
    diskId,
    options,
    rules,
    random,
    term: loaded.hardState.term,
    votedFor: loaded.hardState.votedFor,
    role: newFollower(options, random, null),
    log,
    durability: new Durability(),
    configurations,
    snapshot: meta,
    installing: null,
    tick: 0,
    campaign: 0,
    effects: [],
  }
}

export function newFollower(options: RaftOptions, random: Random, leaderId: NodeId | null): Follower {
  return {
    kind: 'follower',
    leaderId,
    electionElapsedTicks: 0,
    electionTimeoutTicks: drawElectionTimeout(options, random),
  }
}

/** Different on every server and in every wait, so that split votes do not repeat (section 5.2). */
export function drawElectionTimeout(options: RaftOptions, random: Random): number {
  return options.electionTimeoutTicks + random.nextInt(options.electionTimeoutTicks)
}

export function leaderIdOf(raft: Raft): NodeId | null {
  if (raft.role.kind === 'leader') return raft.id
  return raft.role.kind === 'follower' ? raft.role.leaderId : null
}

/** True when this server alone is a quorum: it needs to wait for nobody, only for its own disk. */
export function isSoleVoter(raft: Raft): boolean {
  return hasQuorum(raft.configurations.current, id => id === raft.id)
}

/**
 * Sends a message that promises the log up to `promisedIndex`. Term and vote go with every message, so it waits for the
 * disk whenever either they or what it promises are not there yet: disk before wire.
 */
export function send(raft: Raft, to: NodeId, message: Message, promisedIndex: LogIndex = noIndex): void {
  const isCovered = raft.durability.isHardStateDurable && promisedIndex <= raft.log.persistedIndex
  const after = isCovered || !raft.rules.diskBeforeWire ? 'now' : 'persisted'
  raft.effects.push({ kind: 'send', to, message, after })
}
