/**
 * The single writer: requests queue, the whole queue is decided in one turn against the appended image, each decision
 * becomes one entry of the log, all entries of the turn one proposal; answers leave when the log has committed what
 * their decision saw. A decision that changes nothing is answered after the proposals before it, or after a read
 * barrier: a leader that was deposed without knowing must not even refuse by what it remembers.
 */
import type { ClusterImage } from '../metadata/cluster-image.ts'
import type { Decision } from '../metadata/decision.ts'
import { encodeEntry } from '../metadata/records.ts'
import { replayAll } from '../metadata/replay.ts'
import { ApiError, type Failure, isFailure } from '../protocol/errors.ts'
import { ProtocolError } from '../protocol/protocol-error.ts'
import type { Quorum, QuorumStatus } from '../quorum/types.ts'
import type { Clock, Timer } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { LogIndex, Term } from '../util/numbers.ts'
import { Reign } from './reign.ts'
import type { ControllerRules } from './rules.ts'

/** Requests that may wait; the next one is refused with `BROKER_OVERLOADED`. */
const queueCountMax = 20_000
/** Requests decided in one turn of the event loop: heartbeats must get their turn as well. */
const batchCountMax = 500
/** A proposal is closed when it has grown to this. */
const batchBytesMax = 1024 * 1024
/** Nothing more is proposed while more than this is without an outcome. */
const inFlightBytesMax = 16 * 1024 * 1024

export type Decide<Response> = (image: ClusterImage) => Decision<Response> | Failure

interface Waiting {
  readonly decide: Decide<unknown>
  readonly timeoutMs: number
  readonly timer: Timer
  /** Timed out in the queue: nobody waits for it, so it is not decided. */
  isOver: boolean
  readonly resolve: (response: unknown) => void
  readonly reject: (error: unknown) => void
}

interface Batch {
  readonly entries: Uint8Array[]
  sizeBytes: number
  /** In the order of the queue: how each request ends once the batch is committed. */
  readonly outcomes: { readonly request: Waiting; readonly outcome: Decision<unknown> | Failure }[]
}

export class DecisionWriter {
  readonly #quorum: Quorum
  readonly #committed: () => ClusterImage
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #rules: ControllerRules
  #queue: Waiting[] = []
  #reign: Reign | null = null
  /** Proposals without an outcome, of this reign and of earlier ones: losing leadership settles none of them. */
  #inFlight = 0
  /** Entries passed over while something was in flight. */
  readonly #skipped = new Set<LogIndex>()
  #isFlushScheduled = false

  constructor(options: {
    quorum: Quorum
    committed: () => ClusterImage
    clock: Clock
    logger: Logger
    rules: ControllerRules
  }) {
    this.#rules = options.rules
    this.#quorum = options.quorum
    this.#committed = options.committed
    this.#clock = options.clock
    this.#logger = options.logger
  }

  get reign(): Reign | null {
    return this.#reign
  }

  /** This node leads, and everything before its term is applied here. */
  lead(term: Term): void {
    this.#reign = new Reign(term, this.#committed())
  }

  /** This node leads no more: what is in flight is for its proposals to find out, what is queued is refused. */
  resign(): void {
    this.#reign = null
    this.#rejectQueue(() => notController(this.#quorum.status()))
  }

  /** Refuses what is queued because this node closes. */
  close(): void {
    this.#reign = null
    this.#rejectQueue(() => new ApiError('SHUTTING_DOWN'))
  }

  /** An entry at `index` was passed over by the state machine. */
  onSkipped(index: LogIndex): void {
    if (this.#reign !== null) this.#reign.isStale = true
    if (this.#inFlight > 0) this.#skipped.add(index)
  }

  /**
   * Decides in turn, and resolves with the response once it is true for good. Rejects with `ApiError`: the decision's
   * failure, `NOT_CONTROLLER`, `REQUEST_TIMED_OUT` (the outcome is open) or `BROKER_OVERLOADED`.
   */
  submit<Response>(decide: Decide<Response>, timeoutMs: number): Promise<Response> {
    if (this.#reign === null) return Promise.reject(notController(this.#quorum.status()))
    if (this.#queue.length >= queueCountMax) {
      return Promise.reject(new ApiError('BROKER_OVERLOADED', 'Too many requests wait for the metadata log.'))
    }
    return new Promise<Response>((resolve, reject) => {
      const timer = this.#clock.setTimer(timeoutMs, () => {
        request.isOver = true
        reject(new ApiError('REQUEST_TIMED_OUT'))
      })
      const request: Waiting = {
        decide,
        timeoutMs,
        timer,
        isOver: false,
        resolve: response => {
          timer.cancel()
          resolve(response as Response)
        },
        reject: error => {
          timer.cancel()
          reject(error)
        },
      }
      this.#queue.push(request)
      this.#scheduleFlush()
    })
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled || this.#queue.length === 0) return
    this.#isFlushScheduled = true
    this.#clock.defer(() => {
      this.#isFlushScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    const reign = this.#currentReign()
    if (reign === null || reign.inFlightBytes > inFlightBytesMax) return
    const batch = this.#decideBatch(reign)
    if (batch.outcomes.length > 0) this.#settleWhenCommitted(reign, batch)
    this.#scheduleFlush()
  }

  /** `null` also while what a stale reign has in flight is still open. */
  #currentReign(): Reign | null {
    const reign = this.#reign
    if (reign === null || !reign.isStale || !this.#rules.dropsLostRecords) return reign
    if (reign.inFlight > 0) return null
    this.#logger.warn({ term: reign.term }, 'decisions were not committed as they were made; starting over')
    this.#reign = new Reign(reign.term, this.#committed())
    return this.#reign
  }

  #decideBatch(reign: Reign): Batch {
    const batch: Batch = { entries: [], sizeBytes: 0, outcomes: [] }
    let taken = 0
    while (taken < this.#queue.length && taken < batchCountMax && batch.sizeBytes < batchBytesMax) {
      const request = this.#queue[taken++]!
      if (request.isOver) continue
      try {
        const outcome = request.decide(reign.appended)
        if (!isFailure(outcome) && outcome.records.length > 0) this.#append(reign, batch, outcome)
        batch.outcomes.push({ request, outcome })
      } catch (error) {
        request.reject(refusalOf(error))
      }
    }
    this.#queue = this.#queue.slice(taken)
    return batch
  }

  /** Encoding and replaying come before anything is proposed: records that either refuses leave no trace. */
  #append(reign: Reign, batch: Batch, { records }: Decision<unknown>): void {
    const entry = encodeEntry({ baseOffset: reign.appended.lastOffset + 1, records })
    reign.appended = replayAll(reign.appended, records)
    batch.entries.push(entry)
    batch.sizeBytes += entry.length
  }

  #settleWhenCommitted(reign: Reign, batch: Batch): void {
    const committed = batch.entries.length > 0 ? this.#propose(reign, batch) : this.#confirm(reign, batch)
    const tell = (): void => {
      for (const { request, outcome } of batch.outcomes) {
        if (isFailure(outcome)) request.reject(new ApiError(outcome.error, outcome.message))
        else request.resolve(outcome.response)
      }
    }
    if (!this.#rules.answersWaitForCommit) tell()
    committed.then(tell, (error: unknown) => {
      for (const { request } of batch.outcomes) request.reject(error)
    })
  }

  async #propose(reign: Reign, batch: Batch): Promise<void> {
    this.#inFlight++
    reign.inFlight++
    reign.inFlightBytes += batch.sizeBytes
    try {
      const proposed = this.#quorum.propose(batch.entries, timeoutOf(batch))
      reign.tail = proposed
      const lastIndex = await proposed
      // The entries of a batch build on each other: all of them were passed over or none.
      if (this.#skipped.has(lastIndex)) throw notController(this.#quorum.status())
    } catch (error) {
      // A timeout leaves the entries in the log, and they may still be committed: `appended` holds. After anything
      // else they are not there, and what was decided after them must not be built upon.
      if (!(error instanceof ApiError && error.code === 'REQUEST_TIMED_OUT')) reign.isStale = true
      throw error
    } finally {
      reign.inFlight--
      reign.inFlightBytes -= batch.sizeBytes
      if (--this.#inFlight === 0) this.#skipped.clear()
      this.#scheduleFlush()
    }
  }

  /**
   * Nothing was changed, but what the decisions saw must become committed, and this node must have led after they saw
   * it: the commit of an earlier proposal says nothing about who leads now.
   */
  async #confirm(reign: Reign, batch: Batch): Promise<void> {
    const seen = reign.inFlight === 0 ? undefined : reign.tail
    await Promise.all([seen, this.#quorum.readBarrier(timeoutOf(batch))])
    if (reign.isStale) throw notController(this.#quorum.status())
  }

  #rejectQueue(error: () => ApiError): void {
    const queue = this.#queue
    this.#queue = []
    for (const request of queue) request.reject(error())
  }
}

/** Names who leads, so that the client knows where to go, or else what is missing. */
export function notController({ nodeId, leaderId, voters, votersHeard }: QuorumStatus): ApiError {
  const message =
    leaderId === null
      ? `Node ${nodeId} knows of no active controller; it hears ${votersHeard} of ${voters.length} voters.`
      : `Node ${nodeId} is not the active controller; node ${leaderId} is.`
  return new ApiError('NOT_CONTROLLER', message)
}

function timeoutOf(batch: Batch): number {
  return Math.max(...batch.outcomes.map(({ request }) => request.timeoutMs))
}

/** A value that no record can hold is the request's fault; everything else is ours and stays what it is. */
function refusalOf(error: unknown): unknown {
  return error instanceof ProtocolError ? new ApiError('INVALID_REQUEST', error.message, { cause: error }) : error
}
