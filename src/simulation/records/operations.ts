/**
 * What producers and consumers did and saw: a history of operations, as Jepsen's Kafka workload keeps it. An operation is
 * a list of steps, so that a transaction, which sends and polls several times, is one operation like any other; today
 * every operation has one step. Values are integers, each sent once to its partition.
 */

/** `topic-0`: two topics of one name are two partitions here, if whoever records calls them by id. */
export type PartitionName = string

export interface SendStep {
  readonly kind: 'send'
  readonly partition: PartitionName
  /** In the order in which they were handed over. */
  readonly values: readonly number[]
  /** As answered, one for each value; `null` while nobody has answered, or if nobody is asked to (`acks` 0). */
  readonly offsets: readonly number[] | null
  /**
   * An answer means that the values stay where they are: `acks` was all, and nothing was done to the disks that their
   * flush policy does not cover. Of other sends nothing is expected but that they were sent.
   */
  readonly isPromised: boolean
}

export interface PollStep {
  readonly kind: 'poll'
  readonly partition: PartitionName
  readonly offsets: readonly number[]
  readonly values: readonly number[]
  /** As told with these records (exclusive); `null` if it was not. */
  readonly highWatermark: number | null
}

/** From here on the process reads these partitions and no others. */
export interface AssignStep {
  readonly kind: 'assign'
  readonly partitions: ReadonlyArray<{
    readonly partition: PartitionName
    /** It reads from here; `null`: it goes on where it was, or begins where it wants if it did not read it. */
    readonly offset: number | null
  }>
}

export type Step = SendStep | PollStep | AssignStep

/** `fail`: it certainly did not and will not happen. `info`: it may have happened, or may still. */
export type RecordsOutcome = 'ok' | 'fail' | 'info'

export interface RecordsOperation {
  /** A producer or a consumer in one life: when it begins anew it has another name. */
  readonly process: string
  readonly steps: readonly Step[]
  /** Any numbers that grow: nanoseconds, or the number of the event. At equal times operations overlap. */
  readonly invokedAt: number
  /** `Infinity`: nobody saw it return. */
  readonly returnedAt: number
  readonly outcome: RecordsOutcome
}

/** What happened to an operation, as a line of a history says it. */
export interface RecordsEvent {
  readonly type: 'invoke' | RecordsOutcome
  /** Number of the operation within what wrote the line. */
  readonly op: number
  readonly process: string
  /** Monotonic nanoseconds, or whatever else grows. */
  readonly ns: number
  /** Those of `ok` replace those of `invoke`. */
  readonly steps: readonly Step[]
}

/** Records operations; `onEvent` hears of each of them twice. */
export class RecordsHistory {
  readonly #operations: RecordsOperation[] = []
  readonly #now: () => number
  readonly #onEvent: (event: RecordsEvent) => void

  constructor(now: () => number, onEvent: (event: RecordsEvent) => void = () => undefined) {
    this.#now = now
    this.#onEvent = onEvent
  }

  /** In the order of their invocation. The outcome of one that was not settled is `info`. */
  get operations(): readonly RecordsOperation[] {
    return this.#operations
  }

  invoke(process: string, steps: readonly Step[]): RecordsInvocation {
    const op = this.#operations.length
    const invokedAt = this.#now()
    this.#operations.push({ process, steps, invokedAt, returnedAt: Number.POSITIVE_INFINITY, outcome: 'info' })
    this.#onEvent({ type: 'invoke', op, process, ns: invokedAt, steps })
    const settle = (outcome: RecordsOutcome, seen: readonly Step[]): void => {
      const returnedAt = this.#now()
      this.#operations[op] = { process, steps: seen, invokedAt, returnedAt, outcome }
      this.#onEvent({ type: outcome, op, process, ns: returnedAt, steps: seen })
    }
    return { ok: seen => settle('ok', seen), fail: () => settle('fail', steps), info: () => settle('info', steps) }
  }

  /** Something that is done as soon as it is asked for. */
  did(process: string, step: Step): void {
    this.invoke(process, [step]).ok([step])
  }
}

export interface RecordsInvocation {
  /** `seen`: the steps with what was answered. */
  ok(seen: readonly Step[]): void
  fail(): void
  info(): void
}
