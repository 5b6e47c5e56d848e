/**
 * Runs a Raft core: feeds it time, messages, proposals and finished writes, and does what it says, in its order. All
 * rules are in the core; here is only what waits.
 */
import { ApiError, type ErrorName } from '../protocol/errors.ts'
import type { Effect, Input, Refusal } from '../raft/input-effect.ts'
import { describeSnapshot } from '../raft/snapshot.ts'
import type { Raft } from '../raft/state.ts'
import { step } from '../raft/step.ts'
import type { Entry, Snapshot } from '../raft/types.ts'
import { assert } from '../util/assert.ts'
import type { LogIndex, NodeId, Term } from '../util/numbers.ts'
import type { QuorumOptions, QuorumTiming, SnapshotPolicy } from './options.ts'
import { PendingProposals } from './pending-proposals.ts'
import { PendingReads } from './pending-reads.ts'
import { Snapshotter } from './snapshotter.ts'
import { statusOf } from './status.ts'
import { StorageWriter } from './storage-writer.ts'
import { Ticker } from './ticker.ts'
import type { Quorum, QuorumStatus } from './types.ts'

const refusalErrors: Record<Refusal, ErrorName> = {
  notLeader: 'NOT_CONTROLLER',
  transferring: 'NOT_CONTROLLER',
  notReady: 'NOT_CONTROLLER',
  tooManyUncommittedBytes: 'BROKER_OVERLOADED',
  changeUnderWay: 'INVALID_REQUEST',
  badTarget: 'INVALID_REQUEST',
}

type Answer = Extract<Effect, { kind: 'accepted' | 'refused' }>

export class QuorumDriver implements Quorum {
  readonly #raft: Raft
  readonly #options: QuorumOptions
  readonly #timing: QuorumTiming
  readonly #proposals = new PendingProposals()
  readonly #reads = new PendingReads()
  readonly #writer: StorageWriter
  readonly #snapshotter: Snapshotter
  readonly #ticker: Ticker
  #leadershipListener: ((term: Term | null) => void) | null = null
  #appliedListener: ((appliedIndex: LogIndex) => void) | null = null
  /** The term this member was announced ready to lead. */
  #leadingTerm: Term | null = null
  #answer: Answer | null = null
  #isFlushDue = false
  /** `draining`: takes nothing new, finishes what is under way. */
  #state: 'running' | 'draining' | 'stopped' = 'running'
  #whenDrained: (() => void) | null = null
  #disposing: Promise<void> | null = null

  constructor(
    raft: Raft,
    options: QuorumOptions,
    timing: QuorumTiming,
    policy: SnapshotPolicy,
    loaded: Snapshot | null,
  ) {
    this.#raft = raft
    this.#options = options
    this.#timing = timing
    this.#snapshotter = new Snapshotter(policy, options.storage, loaded)
    const { clock, peers } = options
    this.#writer = new StorageWriter(options.storage, {
      send: effect => {
        if (!this.#isStopped) peers.send(effect.to, effect.message)
      },
      onPersisted: write => this.#onPersisted(write),
      onFailure: error => this.#fail(error),
    })
    const { electionTimeoutTicks } = raft.options
    this.#ticker = new Ticker(clock, timing.tickMs, 2 * electionTimeoutTicks, count => this.#onTicks(count))
    peers.onMessage(message => this.#drive({ kind: 'message', message }))
  }

  /** A quorum of one has nobody to wait for. */
  campaign(): void {
    this.#drive({ kind: 'campaign' })
  }

  status(): QuorumStatus {
    return statusOf(this.#raft, this.#options.clock.nowMs(), this.#timing.tickMs)
  }

  propose(entries: readonly Uint8Array[], timeoutMs: number): Promise<LogIndex> {
    assert(entries.length > 0, 'a proposal has an entry')
    const answer = this.#ask({ kind: 'proposal', entries })
    if (answer.kind === 'refused') return Promise.reject(refusalError(answer.reason))
    this.#flushSoon()
    const deadlineMs = this.#options.clock.nowMs() + timeoutMs
    return this.#proposals.add(answer.firstIndex, answer.lastIndex, answer.term, deadlineMs)
  }

  readBarrier(timeoutMs: number): Promise<void> {
    if (this.#state !== 'running') return Promise.reject(refusalError('notLeader'))
    return this.#reads.add(this.#options.clock.nowMs() + timeoutMs, id => {
      this.#drive({ kind: 'readIndex', id })
      this.#flushSoon()
    })
  }

  onLeadership(listener: (term: Term | null) => void): void {
    assert(this.#leadershipListener === null, 'one leadership listener')
    this.#leadershipListener = listener
    // Whoever comes late is told what it missed.
    if (this.#leadingTerm !== null) listener(this.#leadingTerm)
  }

  onApplied(listener: (appliedIndex: LogIndex) => void): void {
    assert(this.#appliedListener === null, 'one applied listener')
    this.#appliedListener = listener
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose()
    return this.#disposing
  }

  async #dispose(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#drive({ kind: 'flush' })
    if (this.#state === 'running') this.#state = 'draining'
    if (!this.#isDrained) {
      // The storage has a deadline of its own; this one is for a storage that breaks its promise.
      await new Promise<void>(resolve => {
        const timer = this.#options.clock.setTimer(this.#timing.electionTimeoutMs, resolve)
        this.#whenDrained = () => {
          timer.cancel()
          resolve()
        }
      })
    }
    this.#stop('The quorum closed.')
  }

  #ask(input: Input): Answer {
    this.#answer = null
    if (this.#state === 'running') this.#drive(input)
    return this.#answer ?? { kind: 'refused', input: input.kind, reason: 'notLeader' }
  }

  /** Everything proposed or asked in this turn of the event loop leaves together. */
  #flushSoon(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#options.clock.defer(() => {
      this.#isFlushDue = false
      this.#drive({ kind: 'flush' })
    })
  }

  #onTicks(count: number): void {
    for (let i = 0; i < count; i++) this.#drive({ kind: 'tick' })
    const nowMs = this.#options.clock.nowMs()
    this.#proposals.expire(nowMs)
    this.#reads.expire(nowMs)
  }

  #drive(input: Input): void {
    if (this.#state === 'stopped') return
    try {
      for (const effect of step(this.#raft, input)) {
        // A listener may have led to a failure that ended everything.
        if (this.#isStopped) return
        this.#perform(effect)
      }
      if (!this.#isStopped) this.#writer.start()
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
      case 'send':
        this.#writer.add(effect)
        return
      case 'persistSnapshot':
        this.#proposals.replaced(effect.snapshot.meta.index)
        this.#writer.add(effect)
        return
      case 'truncated':
        this.#proposals.truncated(effect.from)
        return
      case 'sendSnapshot':
        this.#sendSnapshot(effect.to, effect.term, effect.round)
        return
      case 'apply':
        this.#apply(effect.entries)
        return
      case 'restore':
        this.#snapshotter.installed(effect.snapshot)
        this.#options.stateMachine.restore(effect.snapshot.data, effect.snapshot.meta.index)
        this.#noteApplied(effect.snapshot.meta.index)
        return
      case 'leadership':
        this.#announce(effect.term)
        return
      case 'accepted':
      case 'refused':
        this.#answer = effect
        return
      case 'readReady':
        this.#reads.ready(effect.id, effect.index, this.#raft.log.appliedIndex)
        return
      case 'readRefused':
        this.#reads.refused(effect.id)
        return
    }
  }

  #onPersisted(write: number): void {
    this.#drive({ kind: 'persisted', write })
    this.#checkDrained()
  }

  #sendSnapshot(to: NodeId, term: Term, round: number): void {
    const snapshot = this.#snapshotter.saved
    assert(snapshot !== null, 'a snapshot that the core knows is here')
    const message = { kind: 'installSnapshot', from: this.#raft.id, term, round, snapshot } as const
    this.#options.peers.sendSnapshot(to, message).then(
      () => this.#drive({ kind: 'snapshotSent', to, isDelivered: true }),
      () => this.#drive({ kind: 'snapshotSent', to, isDelivered: false }),
    )
  }

  #apply(entries: readonly Entry[]): void {
    const data = entries.filter(entry => entry.kind === 'data')
    if (data.length > 0) this.#options.stateMachine.apply(data)
    const isSnapshotDue = this.#snapshotter.applied(entries)
    this.#noteApplied(entries.at(-1)!.index)
    this.#proposals.applied(entries)
    if (isSnapshotDue) this.#takeSnapshot()
  }

  #noteApplied(appliedIndex: LogIndex): void {
    this.#appliedListener?.(appliedIndex)
    this.#reads.applied(appliedIndex)
  }

  /** The entries of the current step are all applied, so state machine and core agree on the index. */
  #takeSnapshot(): void {
    const meta = describeSnapshot(this.#raft)
    this.#snapshotter.save(meta, this.#options.stateMachine.snapshot()).then(
      discardUpTo => {
        this.#drive({ kind: 'snapshotSaved', meta, discardUpTo })
        this.#checkDrained()
      },
      error => this.#fail(error),
    )
  }

  #announce(term: Term | null): void {
    if (term === this.#leadingTerm) return
    this.#leadingTerm = term
    const { nodeId, logger } = this.#options
    logger.info({ nodeId, term: this.#raft.term }, term === null ? 'no longer leads the quorum' : 'leads the quorum')
    this.#leadershipListener?.(term)
  }

  /** Nothing after a failed write is known, so nothing is retried and nothing goes on. */
  #fail(error: Error): void {
    if (this.#state === 'stopped') return
    this.#options.logger.error(
      { nodeId: this.#options.nodeId, error },
      'the quorum stops: its storage or its state failed',
    )
    this.#stop('The node failed.')
    this.#options.onFatal(error)
  }

  #stop(reason: string): void {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#ticker.stop()
    this.#whenDrained?.()
    this.#proposals.abandon(reason)
    this.#reads.abandon()
    this.#announce(null)
  }

  get #isStopped(): boolean {
    return this.#state === 'stopped'
  }

  get #isDrained(): boolean {
    return this.#writer.isIdle && !this.#snapshotter.isSaving
  }

  #checkDrained(): void {
    if (this.#isDrained) this.#whenDrained?.()
  }
}

function refusalError(reason: Refusal): ApiError {
  return new ApiError(refusalErrors[reason])
}
