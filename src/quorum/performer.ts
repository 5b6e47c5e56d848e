/** Does what the core says: writes, sends, applies, answers who waits. What comes of it goes back as an input. */
import type { Effect, Input } from '../raft/input-effect.ts'
import { describeSnapshot } from '../raft/snapshot.ts'
import type { Raft } from '../raft/state.ts'
import type { Entry, Snapshot } from '../raft/types.ts'
import { assert } from '../util/assert.ts'
import type { LogIndex, Term } from '../util/numbers.ts'
import { Applier } from './applier.ts'
import type { Answer } from './core-loop.ts'
import { defaultChunkBytes, type QuorumOptions, type QuorumTiming, type SnapshotPolicy } from './options.ts'
import { PendingProposals } from './pending-proposals.ts'
import { PendingReads } from './pending-reads.ts'
import { notLeader } from './refusals.ts'
import type { QuorumRules } from './rules.ts'
import { SnapshotSender } from './snapshot-sender.ts'
import { Snapshotter } from './snapshotter.ts'
import { StorageWriter } from './storage-writer.ts'

export interface DriverSettings {
  readonly timing: QuorumTiming
  readonly policy: SnapshotPolicy
  readonly rules: QuorumRules
  /** On disk and in the state machine. */
  readonly loaded: Snapshot | null
}

export interface PerformerListener {
  drive(input: Input): void
  onApplied(appliedIndex: LogIndex): void
  onLeadership(term: Term | null): void
  /** Nothing is on its way to disk. */
  onDrained(): void
  onFailure(error: Error): void
}

export class Performer {
  readonly proposals = new PendingProposals()
  readonly reads: PendingReads
  readonly #raft: Raft
  readonly #listener: PerformerListener
  readonly #writer: StorageWriter
  readonly #applier: Applier
  readonly #snapshotter: Snapshotter
  readonly #sender: SnapshotSender
  #isStopped = false

  constructor(raft: Raft, options: QuorumOptions, settings: DriverSettings, listener: PerformerListener) {
    const { clock, storage, stateMachine, peers, chunkBytes = defaultChunkBytes } = options
    const { timing, policy, rules, loaded } = settings
    const { sliceMs } = timing
    const onFailure = (error: Error): void => listener.onFailure(error)
    this.#raft = raft
    this.#listener = listener
    this.reads = new PendingReads(() => notLeader(raft))
    this.#writer = new StorageWriter(storage, rules, {
      send: effect => {
        if (!this.#isStopped) peers.send(effect.to, effect.message)
      },
      onPersisted: write => {
        listener.drive({ kind: 'persisted', write })
        this.#checkDrained()
      },
      onFailure,
    })
    this.#applier = new Applier(stateMachine, clock, sliceMs, raft.log.appliedIndex, {
      onApplied: entries => this.#onApplied(entries),
      onRestored: () => this.#noteApplied(),
      onLeadership: term => listener.onLeadership(term),
      onReadReady: (id, index) => this.reads.ready(id, index, rules.readsWaitForApply ? this.appliedIndex : index),
      onFailure,
    })
    this.#sender = new SnapshotSender(peers, chunkBytes, loaded, (to, isDelivered) => {
      listener.drive({ kind: 'snapshotSent', to, isDelivered })
    })
    const neededIndex = (): LogIndex | null => this.#sender.neededIndex
    const onSaved = (snapshot: Snapshot, discardUpTo: LogIndex): void => this.#onSnapshotSaved(snapshot, discardUpTo)
    const parts = { policy, storage, stateMachine, clock, sliceMs, rules, neededIndex, onSaved, onFailure }
    this.#snapshotter = new Snapshotter(parts, loaded)
  }

  /** Inclusive: the state machine's own, which the core's may be ahead of. */
  get appliedIndex(): LogIndex {
    return this.#applier.appliedIndex
  }

  get isDrained(): boolean {
    return this.#writer.isIdle && !this.#snapshotter.isBusy
  }

  perform(effect: Exclude<Effect, Answer>): void {
    switch (effect.kind) {
      case 'persist':
      case 'send':
        this.#writer.add(effect)
        return
      case 'persistSnapshot':
        this.proposals.replaced()
        this.#snapshotter.abandon()
        this.#writer.add(effect)
        return
      case 'truncated':
        this.proposals.truncated(effect.from)
        return
      case 'sendSnapshot':
        this.#sendSnapshot(effect)
        return
      case 'restore':
        this.#snapshotter.installed(effect.snapshot)
        this.#sender.saved(effect.snapshot)
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
      case 'readRefused':
        this.reads.refused(effect.id)
        return
    }
  }

  /** Everything that gathered is one write, unless one is under way. */
  startWrite(): void {
    this.#writer.start()
  }

  expire(nowMs: number): void {
    this.proposals.expire(nowMs)
    this.reads.expire(nowMs)
  }

  stop(reason: string): void {
    this.#isStopped = true
    this.#applier.stop()
    this.#snapshotter.abandon()
    this.#sender.cancel()
    this.proposals.abandon(reason)
    this.reads.abandon()
  }

  #sendSnapshot({ to, term, round }: Extract<Effect, { kind: 'sendSnapshot' }>): void {
    const snapshot = this.#snapshotter.saved
    assert(snapshot !== null, 'a snapshot that the core knows is here')
    this.#sender.send(to, { from: this.#raft.id, term, round }, snapshot)
  }

  #onApplied(entries: readonly Entry[]): void {
    const isSnapshotDue = this.#snapshotter.applied(entries)
    this.#noteApplied()
    this.proposals.applied(entries)
    // Right behind a restore the core may be ahead of the state machine: then it is not this index it would describe. And
    // while the next one from the leader is on its way to disk, its log has nothing left to describe it by.
    const { log, installing } = this.#raft
    const canDescribe = installing === null && this.appliedIndex === log.appliedIndex
    if (isSnapshotDue && canDescribe && !this.#isStopped) this.#snapshotter.take(describeSnapshot(this.#raft))
  }

  #noteApplied(): void {
    this.#listener.onApplied(this.appliedIndex)
    this.reads.applied(this.appliedIndex)
  }

  #onSnapshotSaved(snapshot: Snapshot, discardUpTo: LogIndex): void {
    this.#listener.drive({ kind: 'snapshotSaved', meta: snapshot.meta, discardUpTo })
    this.#sender.saved(snapshot)
    this.#checkDrained()
  }

  #checkDrained(): void {
    if (this.isDrained) this.#listener.onDrained()
  }
}
