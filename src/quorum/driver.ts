/**
 * Runs a Raft core: feeds it time, messages, proposals and finished writes, and does what it says, in its order. All
 * rules are in the core; here is only what waits.
 */
import type { Effect, Input } from '../raft/input-effect.ts'
import { describeSnapshot } from '../raft/snapshot.ts'
import type { Raft } from '../raft/state.ts'
import { step } from '../raft/step.ts'
import type { Entry, Snapshot } from '../raft/types.ts'
import { assert } from '../util/assert.ts'
import type { LogIndex, NodeId, Term } from '../util/numbers.ts'
import { AddVoter } from './add-voter.ts'
import { Applier } from './applier.ts'
import { MembershipChanges } from './membership-changes.ts'
import type { Task } from './membership-task.ts'
import { defaultChunkBytes, type QuorumOptions, type QuorumTiming, type SnapshotPolicy } from './options.ts'
import { Peers } from './peers.ts'
import { PendingProposals } from './pending-proposals.ts'
import { PendingReads } from './pending-reads.ts'
import { notLeader, refusalError } from './refusals.ts'
import { RemoveVoter } from './remove-voter.ts'
import type { QuorumRules } from './rules.ts'
import { SnapshotSender } from './snapshot-sender.ts'
import { Snapshotter } from './snapshotter.ts'
import { statusOf } from './status.ts'
import { StorageWriter } from './storage-writer.ts'
import { Ticker } from './ticker.ts'
import { TransferLeadership } from './transfer-leadership.ts'
import type { Quorum, QuorumStatus } from './types.ts'

type Answer = Extract<Effect, { kind: 'accepted' | 'refused' }>

export interface DriverSettings {
  readonly timing: QuorumTiming
  readonly policy: SnapshotPolicy
  readonly rules: QuorumRules
  /** On disk and in the state machine. */
  readonly loaded: Snapshot | null
}

export class QuorumDriver implements Quorum {
  readonly #raft: Raft
  readonly #options: QuorumOptions
  readonly #timing: QuorumTiming
  readonly #rules: QuorumRules
  readonly #proposals = new PendingProposals()
  readonly #reads: PendingReads
  readonly #writer: StorageWriter
  readonly #applier: Applier
  readonly #snapshotter: Snapshotter
  readonly #sender: SnapshotSender
  readonly #peers: Peers
  readonly #changes: MembershipChanges
  readonly #ticker: Ticker
  #leadershipListener: ((term: Term | null) => void) | null = null
  #appliedListener: ((appliedIndex: LogIndex) => void) | null = null
  /** The term this member was announced ready to lead. */
  #leadingTerm: Term | null = null
  #answer: Answer | null = null
  #isDriving = false
  /** Inputs that came while another one was being performed. */
  #inputs: Input[] = []
  #isFlushDue = false
  /** `draining`: takes nothing new, finishes what is under way. */
  #state: 'running' | 'draining' | 'stopped' = 'running'
  #whenDrained: (() => void) | null = null
  #disposing: Promise<void> | null = null

  constructor(raft: Raft, options: QuorumOptions, { timing, policy, rules, loaded }: DriverSettings) {
    this.#raft = raft
    this.#options = options
    this.#timing = timing
    this.#rules = rules
    const { clock, storage, stateMachine, peers, nodeId, url } = options
    const { sliceMs } = timing
    const onFailure = (error: Error): void => this.#fail(error)
    this.#reads = new PendingReads(() => notLeader(raft))
    this.#writer = new StorageWriter(storage, rules, {
      send: effect => {
        if (!this.#isStopped) peers.send(effect.to, effect.message)
      },
      onPersisted: write => {
        this.#drive({ kind: 'persisted', write })
        this.#checkDrained()
      },
      onFailure,
    })
    this.#applier = new Applier(stateMachine, clock, sliceMs, raft.log.appliedIndex, {
      onApplied: entries => this.#onApplied(entries),
      onRestored: () => this.#noteApplied(),
      onLeadership: term => this.#announce(term),
      onReadReady: (id, index) => {
        this.#reads.ready(id, index, rules.readsWaitForApply ? this.#applier.appliedIndex : index)
      },
      onFailure,
    })
    this.#sender = new SnapshotSender(peers, options.chunkBytes ?? defaultChunkBytes, loaded, (to, isDelivered) => {
      this.#drive({ kind: 'snapshotSent', to, isDelivered })
    })
    this.#snapshotter = new Snapshotter(
      {
        policy,
        storage,
        stateMachine,
        clock,
        sliceMs,
        rules,
        neededIndex: () => this.#sender.neededIndex,
        onSaved: (snapshot, discardUpTo) => this.#onSnapshotSaved(snapshot, discardUpTo),
        onFailure,
      },
      loaded,
    )
    this.#peers = new Peers(
      { raft, drive: input => this.#drive(input), isStopped: () => this.#isStopped },
      options,
      rules,
    )
    this.#changes = new MembershipChanges({
      raft,
      own: { id: nodeId, diskId: storage.diskId, url },
      ask: input => {
        const answer = this.#ask(input)
        return answer?.kind === 'refused' ? answer.reason : null
      },
      introductionOf: id => this.#peers.introductionOf(id),
    })
    const { electionTimeoutTicks } = raft.options
    this.#ticker = new Ticker(clock, timing.tickMs, electionTimeoutTicks, count => this.#onTicks(count))
  }

  /** From here on it takes part. */
  start(): void {
    if (!this.#isStopped) this.#peers.open()
  }

  status(): QuorumStatus {
    this.#ticker.catchUp()
    return statusOf(this.#raft, this.#applier.appliedIndex, this.#options.clock.nowMs(), this.#timing.tickMs, id =>
      this.#peers.introductionOf(id),
    )
  }

  propose(entries: readonly Uint8Array[], timeoutMs: number): Promise<LogIndex> {
    assert(entries.length > 0, 'a proposal has an entry')
    const answer = this.#state === 'running' ? this.#ask({ kind: 'proposal', entries }) : null
    if (answer === null) return Promise.reject(notLeader(this.#raft))
    if (answer.kind === 'refused') return Promise.reject(refusalError(answer.reason, this.#raft))
    this.#flushSoon()
    if (!this.#rules.proposalsWaitForCommit) return Promise.resolve(answer.lastIndex)
    const deadlineMs = this.#options.clock.nowMs() + timeoutMs
    return this.#proposals.add(answer.firstIndex, answer.lastIndex, answer.term, deadlineMs)
  }

  readBarrier(timeoutMs: number): Promise<void> {
    if (this.#state !== 'running') return Promise.reject(notLeader(this.#raft))
    return this.#reads.add(this.#options.clock.nowMs() + timeoutMs, id => {
      this.#drive({ kind: 'readIndex', id })
      this.#flushSoon()
    })
  }

  async addVoter(id: NodeId, url: string | null, timeoutMs: number): Promise<void> {
    if (url !== null) this.#peers.seek(id, url)
    try {
      await this.#run(new AddVoter(id, url), timeoutMs)
    } finally {
      this.#peers.seekNoMore(id)
    }
  }

  removeVoter(id: NodeId, timeoutMs: number): Promise<void> {
    return this.#run(new RemoveVoter(id), timeoutMs)
  }

  transfer(to: NodeId | null, timeoutMs: number): Promise<NodeId> {
    return this.#run(new TransferLeadership(to), timeoutMs)
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

  #run<T>(task: Task<T>, timeoutMs: number): Promise<T> {
    this.#ticker.catchUp()
    if (this.#state !== 'running' || this.#raft.role.kind !== 'leader') return Promise.reject(notLeader(this.#raft))
    const done = this.#changes.run(task, this.#options.clock.nowMs() + timeoutMs)
    // Not at once: the caller may be called from within a step.
    this.#flushSoon()
    return done
  }

  #ask(input: Input): Answer | null {
    this.#answer = null
    this.#drive(input)
    return this.#answer
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
    if (this.#isStopped) return
    const nowMs = this.#options.clock.nowMs()
    this.#proposals.expire(nowMs)
    this.#reads.expire(nowMs)
    this.#changes.expire(nowMs)
    this.#peers.onTick()
  }

  /**
   * One input at a time: what comes while another is being performed waits, so that every effect is performed in the
   * order of the steps. Only what changes nothing but memory may come in between, from a listener that proposes.
   */
  #drive(input: Input): void {
    if (this.#isStopped) return
    if (this.#isDriving) {
      if (input.kind === 'proposal' || input.kind === 'readIndex') this.#step(input)
      else this.#inputs.push(input)
      return
    }
    // A blocked event loop wakes up with messages and questions before its timers: first it counts the silence.
    if (input.kind !== 'tick') this.#ticker.catchUp()
    this.#isDriving = true
    try {
      this.#step(input)
      while (this.#inputs.length > 0) this.#step(this.#inputs.shift()!)
      if (!this.#isStopped) this.#writer.start()
    } catch (error) {
      this.#fail(error as Error)
    }
    this.#isDriving = false
    if (this.#isStopped) return
    this.#peers.look()
    this.#changes.advance()
  }

  #step(input: Input): void {
    if (this.#isStopped) return
    const effects = step(this.#raft, input)
    this.#options.observer?.stepped(this.#raft, input, effects)
    for (let i = 0; i < effects.length; i++) {
      // A listener may have led to a failure that ended everything.
      if (this.#isStopped) return
      this.#perform(effects[i]!)
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
        this.#snapshotter.abandon()
        this.#writer.add(effect)
        return
      case 'truncated':
        this.#proposals.truncated(effect.from)
        return
      case 'sendSnapshot':
        this.#sendSnapshot(effect)
        return
      case 'restore':
        this.#snapshotter.installed(effect.snapshot)
        this.#applier.take(effect)
        return
      case 'leadership':
        if (effect.term === null) this.#sender.cancel()
        this.#applier.take(effect)
        return
      case 'apply':
      case 'readReady':
        this.#applier.take(effect)
        return
      case 'accepted':
      case 'refused':
        this.#answer = effect
        return
      case 'readRefused':
        this.#reads.refused(effect.id)
        return
    }
  }

  #sendSnapshot({ to, term, round }: Extract<Effect, { kind: 'sendSnapshot' }>): void {
    const snapshot = this.#snapshotter.saved
    assert(snapshot !== null, 'a snapshot that the core knows is here')
    this.#sender.send(to, { from: this.#raft.id, term, round }, snapshot)
  }

  #onApplied(entries: readonly Entry[]): void {
    const isSnapshotDue = this.#snapshotter.applied(entries)
    this.#noteApplied()
    this.#proposals.applied(entries)
    // Right behind a restore the core may be ahead of the state machine: then it is not this index it would describe.
    const isLevel = this.#applier.appliedIndex === this.#raft.log.appliedIndex
    if (isSnapshotDue && isLevel) this.#snapshotter.take(describeSnapshot(this.#raft))
  }

  #noteApplied(): void {
    const { appliedIndex } = this.#applier
    this.#appliedListener?.(appliedIndex)
    this.#reads.applied(appliedIndex)
  }

  #onSnapshotSaved(snapshot: Snapshot, discardUpTo: LogIndex): void {
    this.#drive({ kind: 'snapshotSaved', meta: snapshot.meta, discardUpTo })
    this.#sender.saved(snapshot)
    this.#checkDrained()
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
    if (this.#isStopped) return
    const { nodeId, logger, onFatal } = this.#options
    logger.error({ nodeId, error }, 'the quorum stops: its storage or its state failed')
    this.#stop('The node failed.')
    onFatal(error)
  }

  #stop(reason: string): void {
    if (this.#isStopped) return
    this.#state = 'stopped'
    this.#ticker.stop()
    this.#applier.stop()
    this.#snapshotter.abandon()
    this.#sender.cancel()
    this.#whenDrained?.()
    this.#proposals.abandon(reason)
    this.#reads.abandon()
    this.#changes.abandon(reason)
    this.#announce(null)
  }

  get #isStopped(): boolean {
    return this.#state === 'stopped'
  }

  get #isDrained(): boolean {
    return this.#writer.isIdle && !this.#snapshotter.isBusy
  }

  #checkDrained(): void {
    if (this.#isDrained) this.#whenDrained?.()
  }
}
