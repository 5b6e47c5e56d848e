/** A quorum of one that commits when told to, can lose leadership, refuse and leave outcomes open: the test is the network. */
import { ApiError } from '../../src/protocol/errors.ts'
import type { CommittedEntry, Quorum, QuorumStatus, StateMachine } from '../../src/quorum/types.ts'
import { type LogIndex, type NodeId, type Term, toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'

interface Proposal {
  readonly entries: readonly CommittedEntry[]
  readonly resolve: (lastIndex: LogIndex) => void
  readonly reject: (error: Error) => void
}

interface Barrier {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class FakeQuorum implements Quorum {
  /** Commit proposals and pass barriers as they come. */
  isAutomatic = true
  /** What `propose` answers instead of appending. */
  refusal: ApiError | null = null
  leader: NodeId | null = null
  isClosed = false
  /** Of the founders' disks; `null` for a quorum that has none. */
  clusterId: string | null = null
  /** What the voters were asked to become. */
  readonly changes: string[] = []
  readonly log: CommittedEntry[] = []
  readonly batches: number[] = []
  barriers = 0
  readonly #stateMachine: StateMachine
  #term = 0
  #committed = 0
  #proposals: Proposal[] = []
  #waiting: Barrier[] = []
  #onApplied: (appliedIndex: LogIndex) => void = () => {}
  #onLeadership: (term: Term | null) => void = () => {}
  #onLeader: (leaderId: NodeId | null) => void = () => {}

  constructor(stateMachine: StateMachine) {
    this.#stateMachine = stateMachine
  }

  status(): QuorumStatus {
    const index = toLogIndex(this.#committed)
    const logEndIndex = toLogIndex(this.log.length + 1)
    return {
      nodeId: toNodeId(1),
      clusterId: this.clusterId,
      role: this.leader === 1 ? 'leader' : 'follower',
      term: toTerm(this.#term),
      leaderId: this.leader,
      commitIndex: index,
      appliedIndex: index,
      logEndIndex,
      snapshotIndex: toLogIndex(0),
      voters: [
        { id: toNodeId(1), diskId: 'disk-1', url: 'ws://one', logEndIndex, lastCaughtUpMs: 0 },
        { id: toNodeId(2), diskId: 'disk-2', url: 'ws://two', logEndIndex: toLogIndex(1), lastCaughtUpMs: null },
      ],
      votersHeard: 1,
      learners: [{ id: toNodeId(3), diskId: null, url: null, logEndIndex: null, lastCaughtUpMs: null }],
      observers: [{ id: toNodeId(4), diskId: 'disk-4', url: null, logEndIndex: toLogIndex(2), lastCaughtUpMs: null }],
    }
  }

  propose(data: readonly Uint8Array[]): Promise<LogIndex> {
    if (this.refusal !== null) return Promise.reject(this.refusal)
    if (this.leader !== 1) return Promise.reject(new ApiError('NOT_CONTROLLER'))
    const term = toTerm(this.#term)
    const entries = data.map((bytes, at) => ({ index: toLogIndex(this.log.length + at + 1), term, data: bytes }))
    this.log.push(...entries)
    this.batches.push(entries.length)
    const outcome = new Promise<LogIndex>((resolve, reject) => this.#proposals.push({ entries, resolve, reject }))
    if (this.isAutomatic) this.commit()
    return outcome
  }

  readBarrier(): Promise<void> {
    this.barriers++
    if (this.leader !== 1) return Promise.reject(new ApiError('NOT_CONTROLLER'))
    if (this.isAutomatic) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  onLeadership(listener: (term: Term | null) => void): void {
    this.#onLeadership = listener
  }

  onLeader(listener: (leaderId: NodeId | null) => void): void {
    this.#onLeader = listener
  }

  async addVoter(id: NodeId, url: string | null): Promise<void> {
    this.changes.push(`add ${id} ${url}`)
  }

  async removeVoter(id: NodeId): Promise<void> {
    if (id === 9) throw new ApiError('VOTER_NOT_FOUND')
    this.changes.push(`remove ${id}`)
  }

  async transfer(to: NodeId | null): Promise<NodeId> {
    this.changes.push(`transfer ${to}`)
    return to ?? toNodeId(2)
  }

  onApplied(listener: (appliedIndex: LogIndex) => void): void {
    this.#onApplied = listener
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true
    this.lose(null)
  }

  /** This node leads, everything in its log being committed first, as a no-op of its term would. */
  lead(): void {
    this.leader = toNodeId(1)
    this.#term++
    this.commit()
    this.#onLeader(this.leader)
    this.#onLeadership(toTerm(this.#term))
  }

  /** Another node leads (or none). What is in flight stays open. */
  lose(leader: number | null): void {
    this.leader = leader === null ? null : toNodeId(leader)
    this.#onLeader(this.leader)
    this.#onLeadership(null)
    for (const barrier of this.#waiting.splice(0)) barrier.reject(new ApiError('NOT_CONTROLLER'))
  }

  /** Commits and applies everything in the log, settles what waits for it. */
  commit(): void {
    const entries = this.log.slice(this.#committed)
    this.#committed = this.log.length
    if (entries.length > 0) {
      this.#stateMachine.apply(entries)
      this.#onApplied(toLogIndex(this.#committed))
    }
    for (const proposal of this.#proposals.splice(0)) proposal.resolve(proposal.entries.at(-1)!.index)
    for (const barrier of this.#waiting.splice(0)) barrier.resolve()
  }

  /** A newer leader's log lacks what is not committed. */
  truncate(): void {
    this.log.length = this.#committed
    for (const proposal of this.#proposals.splice(0)) proposal.reject(new ApiError('NOT_CONTROLLER'))
  }

  /** Nobody learns in time; the entries stay in the log. */
  timeOut(): void {
    for (const proposal of this.#proposals.splice(0)) proposal.reject(new ApiError('REQUEST_TIMED_OUT'))
  }

  /** Puts an entry into the log behind the back of the controller, as a former leader may have. */
  append(data: Uint8Array): void {
    this.log.push({ index: toLogIndex(this.log.length + 1), term: toTerm(this.#term), data })
  }
}
