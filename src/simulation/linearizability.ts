/**
 * A checker of linearizability (Herlihy and Wing 1990): is there one order of the operations, in which each takes effect
 * at one moment between its invocation and its return, that a sequential object explains? Pure: a history in, a verdict
 * out. The search is in linearizability-search.ts, objects to check against in linearizability-models.ts.
 */
import { accountOf } from './linearizability-account.ts'
import { type SearchResult, searchOrder } from './linearizability-search.ts'

export type Outcome<Output> =
  | { readonly kind: 'ok'; readonly output: Output; readonly returnedAt: number }
  /** It certainly did not and will not happen. */
  | { readonly kind: 'fail' }
  /** It may happen at any moment after its invocation, even long after the caller gave up, or never. */
  | { readonly kind: 'unknown' }

/**
 * Times are any numbers that grow. One operation precedes another if it returned at a smaller time than the other was
 * invoked at; at equal times they overlap. The number of the event (`History`) is a better time than a clock that stands
 * still between events.
 */
export interface Operation<Input, Output> {
  readonly client: string
  readonly input: Input
  readonly invokedAt: number
  readonly outcome: Outcome<Output>
}

/** The sequential object. Inputs are plain data: two unknown operations with the same JSON are interchangeable. */
export interface Model<State, Input, Output> {
  readonly initial: State
  /**
   * The state after `input` answered `output`, or `undefined` if it cannot answer that in this state. With `output`
   * `undefined` any answer is possible. States are never changed.
   */
  step(state: State, input: Input, output: Output | undefined): State | undefined
  /** The same text for the same state, and only for it. */
  keyOf(state: State): string
  /** Splits a history into parts that are linearizable each for itself exactly if the whole is (locality). */
  partition(history: readonly Operation<Input, Output>[]): ReadonlyMap<string, readonly Operation<Input, Output>[]>
  describe(input: Input, output: Output | undefined): string
}

export type Verdict<Input, Output> =
  | { readonly kind: 'ok'; readonly steps: number }
  /** Nothing was found to be wrong, but not everything was looked at: never to be taken for `ok`. */
  | { readonly kind: 'undecided'; readonly partition: string; readonly steps: number }
  | {
      readonly kind: 'violation'
      /** The smallest of the parts that no order explains. */
      readonly partition: string
      /** Its shortest beginning that no order explains; what had not returned by its end is unknown. */
      readonly operations: readonly Operation<Input, Output>[]
      /** For a person to read: those operations, how far an explanation gets and what cannot follow. */
      readonly account: string
    }

export interface CheckOptions {
  /** Operations tried in one part, over all orders, before the answer is `undecided`. */
  readonly stepsMax?: number
}

const stepsMaxDefault = 20_000_000

export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  { stepsMax = stepsMaxDefault }: CheckOptions = {},
): Verdict<Input, Output> {
  const happened = history.filter(operation => operation.outcome.kind !== 'fail')
  const parts = [...model.partition(happened)].sort(([, a], [, b]) => a.length - b.length)
  let steps = 0
  let undecided: string | null = null
  for (const [partition, operations] of parts) {
    const result = searchOrder(model, operations, stepsMax)
    steps += result.steps
    if (result.kind === 'unexplained') return violation(model, partition, operations, result, stepsMax)
    if (result.kind === 'undecided') undecided ??= partition
  }
  return undecided === null ? { kind: 'ok', steps } : { kind: 'undecided', partition: undecided, steps }
}

/** No beginning of an explainable history is unexplainable, so the shortest one is found by halving. */
function violation<State, Input, Output>(
  model: Model<State, Input, Output>,
  partition: string,
  operations: readonly Operation<Input, Output>[],
  whole: SearchResult<State>,
  stepsMax: number,
): Verdict<Input, Output> {
  const ends = operations
    .flatMap(({ outcome }) => (outcome.kind === 'ok' ? [outcome.returnedAt] : []))
    .sort((a, b) => a - b)
  let shortest = operations
  let result = whole
  let low = 0
  let high = ends.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    const beginning = beginningOf(operations, ends[middle]!)
    const found = searchOrder(model, beginning, stepsMax)
    if (found.kind === 'unexplained') {
      shortest = beginning
      result = found
      high = middle
    } else {
      low = middle + 1
    }
  }
  return { kind: 'violation', partition, operations: shortest, account: accountOf(model, partition, shortest, result) }
}

/** What an observer who looked away after `end` has seen. */
function beginningOf<Input, Output>(
  operations: readonly Operation<Input, Output>[],
  end: number,
): readonly Operation<Input, Output>[] {
  return operations
    .filter(operation => operation.invokedAt <= end)
    .map(operation =>
      operation.outcome.kind === 'ok' && operation.outcome.returnedAt > end
        ? { ...operation, outcome: { kind: 'unknown' } }
        : operation,
    )
}

/** Records a history; its time is the number of the event. */
export class History<Input, Output> {
  readonly #operations: Array<Operation<Input, Output>> = []
  #events = 0

  /** Of an operation that was not settled the outcome is unknown. */
  get operations(): readonly Operation<Input, Output>[] {
    return this.#operations
  }

  invoke(client: string, input: Input): Invocation<Output> {
    const at = this.#operations.length
    const invoked = { client, input, invokedAt: ++this.#events }
    this.#operations.push({ ...invoked, outcome: { kind: 'unknown' } })
    const settle = (outcome: Outcome<Output>): void => {
      this.#operations[at] = { ...invoked, outcome }
    }
    return {
      ok: output => settle({ kind: 'ok', output, returnedAt: ++this.#events }),
      fail: () => settle({ kind: 'fail' }),
    }
  }
}

export interface Invocation<Output> {
  ok(output: Output): void
  /** It certainly did not and will not happen. */
  fail(): void
}
