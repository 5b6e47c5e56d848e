/**
 * A running member: a Raft core with time, peers, a disk and a state machine around it. All rules are in the core; here
 * is what others ask of it, how it begins and how it ends.
 */
import { ApiError } from '../protocol/errors.ts'
import type { Input } from '../raft/input-effect.ts'
import { leaderIdOf, type Raft } from '../raft/state.ts'
import { assert } from '../util/assert.ts'
import type { LogIndex, NodeId, Term } from '../util/numbers.ts'
import { AddVoter } from './add-voter.ts'
import { CoreLoop } from './core-loop.ts'
import { MembershipChanges } from './membership-changes.ts'
import type { Task } from './membership-task.ts'
import { entryBytesMax, type QuorumOptions } from './options.ts'
import { Peers } from './peers.ts'
import { type DriverSettings, Performer } from './performer.ts'
import { notLeader, refusalError } from './refusals.ts'
import { RemoveVoter } from './remove-voter.ts'
import { statusOf } from './status.ts'
import { Ticker } from './ticker.ts'
import { TransferLeadership } from './transfer-leadership.ts'
import type { Quorum, QuorumStatus } from './types.ts'

export class QuorumDriver implements Quorum {
  readonly #raft: Raft
  readonly #options: QuorumOptions
  readonly #settings: DriverSettings
  readonly #ticker: Ticker
  readonly #loop: CoreLoop
  readonly #performer: Performer
  readonly #peers: Peers
  readonly #changes: MembershipChanges
  #leadershipListener: ((term: Term | null) => void) | null = null
  #leaderListener: ((leaderId: NodeId | null) => void) | null = null
  /** As the listener was told. */
  #leaderId: NodeId | null = null
  #appliedListener: ((appliedIndex: LogIndex) => void) | null = null
  /** The term this member was announced ready to lead. */
  #leadingTerm: Term | null = null
  #isFlushDue = false
  /** `draining`: takes nothing new, finishes what is under way. */
  #state: 'running' | 'draining' | 'stopped' = 'running'
  #whenDrained: (() => void) | null = null
  #disposing: Promise<void> | null = null

  constructor(raft: Raft, options: QuorumOptions, settings: DriverSettings) {
    const { nodeId, url, clock, storage, observer = null } = options
    const { timing, rules } = settings
    this.#raft = raft
    this.#options = options
    this.#settings = settings
    const onFailure = (error: Error): void => this.#fail(error)
    this.#ticker = new Ticker(clock, timing.tickMs, raft.options.electionTimeoutTicks, count => this.#onTicks(count))
    this.#loop = new CoreLoop(raft, this.#ticker, observer, {
      perform: effect => this.#performer.perform(effect),
      onPerformed: () => this.#performer.startWrite(),
      onIdle: () => {
        this.#peers.look()
        this.#changes.advance()
        this.#lookForLeader()
      },
      onFailure,
    })
    this.#performer = new Performer(raft, options, settings, {
      drive: input => this.#take(input),
      onApplied: appliedIndex => this.#appliedListener?.(appliedIndex),
      onLeadership: term => this.#announce(term),
      onDrained: () => this.#whenDrained?.(),
      onFailure,
    })
    this.#peers = new Peers(
      { raft, drive: input => this.#take(input), isStopped: () => this.#state === 'stopped' },
      options,
      rules,
    )
    this.#changes = new MembershipChanges({
      raft,
      own: { id: nodeId, diskId: storage.diskId, url },
      ask: input => {
        const answer = this.#loop.drive(input)
        return answer?.kind === 'refused' ? answer.reason : null
      },
      introductionOf: id => this.#peers.introductionOf(id),
    })
  }

  /** From here on it takes part. */
  start(): void {
    if (this.#state === 'running') this.#peers.open()
  }

  status(): QuorumStatus {
    this.#ticker.catchUp()
    return statusOf(this.#raft, {
      appliedIndex: this.#performer.appliedIndex,
      nowMs: this.#options.clock.nowMs(),
      tickMs: this.#settings.timing.tickMs,
      introductionOf: id => this.#peers.introductionOf(id),
    })
  }

  propose(entries: readonly Uint8Array[], timeoutMs: number): Promise<LogIndex> {
    assert(entries.length > 0, 'a proposal has an entry')
    if (entries.some(data => data.length > entryBytesMax)) {
      return Promise.reject(new ApiError('MESSAGE_TOO_LARGE', `An entry may have ${entryBytesMax} bytes at most.`))
    }
    const answer = this.#state === 'running' ? this.#loop.drive({ kind: 'proposal', entries }) : null
    if (answer === null) return Promise.reject(notLeader(this.#raft))
    if (answer.kind === 'refused') return Promise.reject(refusalError(answer.reason, this.#raft))
    this.#flushSoon()
    if (!this.#settings.rules.proposalsWaitForCommit) return Promise.resolve(answer.lastIndex)
    return this.#performer.proposals.add(answer, this.#options.clock.nowMs() + timeoutMs)
  }

  readBarrier(timeoutMs: number): Promise<void> {
    if (this.#state !== 'running') return Promise.reject(notLeader(this.#raft))
    return this.#performer.reads.add(this.#options.clock.nowMs() + timeoutMs, id => {
      this.#loop.drive({ kind: 'readIndex', id })
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

  onLeader(listener: (leaderId: NodeId | null) => void): void {
    assert(this.#leaderListener === null, 'one leader listener')
    this.#leaderListener = listener
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
    this.#loop.drive({ kind: 'flush' })
    if (this.#state === 'running') this.#state = 'draining'
    if (!this.#performer.isDrained) {
      // The storage has a deadline of its own; this one is for a storage that breaks its promise.
      await new Promise<void>(resolve => {
        const timer = this.#options.clock.setTimer(this.#settings.timing.electionTimeoutMs, resolve)
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
    // Not at once: it may be asked from within a step.
    this.#flushSoon()
    return done
  }

  /**
   * What comes from a peer or the disk may answer proposals, and whoever is answered may propose again in this turn. The
   * flush is asked for first, so that the network, which is asked by the step, sends both in one frame.
   */
  #take(input: Input): void {
    if (this.#performer.proposals.count > 0) this.#flushSoon()
    this.#loop.drive(input)
  }

  /** Everything proposed or asked in this turn of the event loop leaves together. */
  #flushSoon(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#options.clock.defer(() => {
      this.#isFlushDue = false
      this.#loop.drive({ kind: 'flush' })
    })
  }

  #onTicks(count: number): void {
    for (let i = 0; i < count; i++) this.#loop.drive({ kind: 'tick' })
    if (this.#state === 'stopped') return
    const nowMs = this.#options.clock.nowMs()
    this.#performer.expire(nowMs)
    this.#changes.expire(nowMs)
    this.#peers.onTick()
  }

  #lookForLeader(): void {
    const leaderId = leaderIdOf(this.#raft)
    if (leaderId === this.#leaderId) return
    this.#leaderId = leaderId
    this.#leaderListener?.(leaderId)
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
    const { nodeId, logger, onFatal } = this.#options
    logger.error({ nodeId, error }, 'the quorum stops: its storage or its state failed')
    this.#stop('The node failed.')
    onFatal(error)
  }

  #stop(reason: string): void {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#ticker.stop()
    this.#loop.stop()
    this.#performer.stop(reason)
    this.#changes.abandon(reason)
    this.#whenDrained?.()
    this.#announce(null)
  }
}
