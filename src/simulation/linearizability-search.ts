/**
 * The search for an order (Wing and Gong 1993; Lowe 2017; Porcupine): depth first over the operations that may come next,
 * which are those invoked before the first return that is still to come. A point of the search is what was ordered and
 * the state it led to; none is visited twice.
 *
 * Operations whose outcome is unknown may be left out, and are tried last. Equal ones are interchangeable, so only how
 * many of each kind were used counts; and a point is not worth a visit if one with the same returned operations and state
 * that had used no more of them was visited.
 */
import { assert } from '../util/assert.ts'
import type { Model, Operation } from './linearizability.ts'

export interface SearchResult<State> {
  readonly kind: 'explained' | 'unexplained' | 'undecided'
  readonly steps: number
  /** The longest explanation that was found: positions in the list of operations, in order, and where they lead. */
  readonly longest: readonly number[]
  readonly longestState: State
}

/** Unknown operations with equal inputs. */
interface UnknownKind {
  /** Positions in the list of operations, by time of invocation. */
  readonly positions: number[]
}

/** One event of the history: the invocation or the return of an operation that returned. */
interface Event {
  readonly position: number
  readonly time: number
  readonly isReturn: boolean
}

/** A decision that was made, to be undone. `choice` is an event, or the number of events plus a kind. */
interface Decision<State> {
  readonly choice: number
  readonly stateBefore: State
  readonly keyBefore: string
}

export function searchOrder<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  stepsMax: number,
): SearchResult<State> {
  return new Search(model, operations).run(stepsMax)
}

class Search<State, Input, Output> {
  readonly #model: Model<State, Input, Output>
  readonly #operations: readonly Operation<Input, Output>[]
  readonly #events: readonly Event[]
  /** Of each position of the list, the event of its return. */
  readonly #returnOf: Int32Array
  /** The events that are left, as a linked list; the last element is its end as well as its beginning. */
  readonly #next: Int32Array
  readonly #previous: Int32Array
  readonly #kinds: readonly UnknownKind[]
  readonly #used: Uint32Array
  readonly #ordered: OrderedSet
  /** Of each point with the same returned operations and state, which unknown ones it had used. */
  readonly #visited = new Map<string, Uint32Array[]>()
  readonly #decisions: Array<Decision<State>> = []
  #state: State
  #key: string
  #longest: readonly number[] = []
  #longestState: State

  constructor(model: Model<State, Input, Output>, operations: readonly Operation<Input, Output>[]) {
    this.#model = model
    this.#operations = operations
    this.#events = eventsOf(operations)
    this.#kinds = unknownKinds(operations)
    this.#used = new Uint32Array(this.#kinds.length)
    this.#state = model.initial
    this.#key = model.keyOf(model.initial)
    this.#longestState = model.initial
    const end = this.#events.length
    this.#next = Int32Array.from({ length: end + 1 }, (_, at) => (at === end ? 0 : at + 1))
    this.#previous = Int32Array.from({ length: end + 1 }, (_, at) => (at === 0 ? end : at - 1))
    this.#returnOf = new Int32Array(operations.length)
    const ranks = new Int32Array(operations.length)
    let rank = 0
    for (const [at, { position, isReturn }] of this.#events.entries()) {
      if (isReturn) this.#returnOf[position] = at
      else ranks[position] = rank++
    }
    this.#ordered = new OrderedSet(rank, ranks)
  }

  run(stepsMax: number): SearchResult<State> {
    const end = this.#events.length
    let choice = this.#next[end]!
    for (let steps = 0; steps < stepsMax; steps++) {
      if (this.#next[end] === end) return this.#result('explained', steps)
      if (this.#tryChoice(choice)) {
        choice = this.#next[end]!
        continue
      }
      let following = this.#choiceAfter(choice)
      while (following === null) {
        const undone = this.#undo()
        if (undone === null) return this.#result('unexplained', steps)
        following = this.#choiceAfter(undone)
      }
      choice = following
    }
    return this.#result('undecided', stepsMax)
  }

  #result(kind: SearchResult<State>['kind'], steps: number): SearchResult<State> {
    if (kind === 'explained') this.#noteLongest()
    return { kind, steps, longest: this.#longest, longestState: this.#longestState }
  }

  /** Makes the choice unless it is impossible or leads where the search has been. */
  #tryChoice(choice: number): boolean {
    const event = this.#events[choice]
    if (event?.isReturn) return false
    const position = event === undefined ? this.#unknownAt(choice - this.#events.length) : event.position
    if (position === null) return false
    const { input, outcome } = this.#operations[position]!
    const state = this.#model.step(this.#state, input, outcome.kind === 'ok' ? outcome.output : undefined)
    if (state === undefined) return false
    const key = this.#model.keyOf(state)
    // What changes nothing and need not have happened explains nothing.
    if (outcome.kind === 'unknown' && key === this.#key) return false
    this.#decisions.push({ choice, stateBefore: this.#state, keyBefore: this.#key })
    this.#mark(choice, 1)
    this.#state = state
    this.#key = key
    if (this.#visit()) return true
    this.#undo()
    return false
  }

  /** The next one of its kind, if it was invoked before the first return that is still to come. */
  #unknownAt(kind: number): number | null {
    const position = this.#kinds[kind]?.positions[this.#used[kind]!]
    if (position === undefined) return null
    return this.#operations[position]!.invokedAt <= this.#events[this.#firstReturn()]!.time ? position : null
  }

  #firstReturn(): number {
    let at = this.#next[this.#events.length]!
    while (!this.#events[at]!.isReturn) at = this.#next[at]!
    return at
  }

  /** First the invocations up to the first return, then the kinds of unknown operations; `null` when all were tried. */
  #choiceAfter(choice: number): number | null {
    const end = this.#events.length
    const event = this.#events[choice]
    if (event !== undefined && !event.isReturn) return this.#next[choice]!
    const kind = event === undefined ? choice - end + 1 : 0
    return kind < this.#kinds.length ? end + kind : null
  }

  #undo(): number | null {
    const decision = this.#decisions.pop()
    if (decision === undefined) return null
    if (this.#decisions.length >= this.#longest.length) this.#noteLongest(decision)
    this.#mark(decision.choice, -1)
    this.#state = decision.stateBefore
    this.#key = decision.keyBefore
    return decision.choice
  }

  /** Takes an operation out of what is left, or puts it back; in the reverse order, as linked lists want it. */
  #mark(choice: number, change: 1 | -1): void {
    const event = this.#events[choice]
    if (event === undefined) {
      this.#used[choice - this.#events.length]! += change
      return
    }
    const returned = this.#returnOf[event.position]!
    if (change === 1) {
      this.#unlink(choice)
      this.#unlink(returned)
      this.#ordered.add(event.position)
    } else {
      this.#ordered.remove(event.position)
      this.#relink(returned)
      this.#relink(choice)
    }
  }

  #unlink(at: number): void {
    this.#next[this.#previous[at]!] = this.#next[at]!
    this.#previous[this.#next[at]!] = this.#previous[at]!
  }

  #relink(at: number): void {
    this.#next[this.#previous[at]!] = at
    this.#previous[this.#next[at]!] = at
  }

  /** False if the search was at this point, or at one that had more left to it. */
  #visit(): boolean {
    const key = `${this.#ordered.key()}|${this.#key}`
    const visits = this.#visited.get(key)
    if (visits === undefined) {
      this.#visited.set(key, [this.#used.slice()])
      return true
    }
    if (visits.some(used => used.every((count, kind) => count <= this.#used[kind]!))) return false
    visits.push(this.#used.slice())
    return true
  }

  /** The decisions that stand, and `last` that is being undone, are the longest explanation so far. */
  #noteLongest(last?: Decision<State>): void {
    const decisions = last === undefined ? this.#decisions : [...this.#decisions, last]
    if (last !== undefined && decisions.length <= this.#longest.length) return
    const taken = new Uint32Array(this.#kinds.length)
    this.#longest = decisions.map(({ choice }) => {
      const kind = choice - this.#events.length
      return kind < 0 ? this.#events[choice]!.position : this.#kinds[kind]!.positions[taken[kind]!++]!
    })
    this.#longestState = this.#state
  }
}

/** At equal times invocations come first: what touches, overlaps. */
function eventsOf(operations: readonly Operation<unknown, unknown>[]): readonly Event[] {
  const events = operations.flatMap(({ invokedAt, outcome }, position): Event[] => {
    if (outcome.kind !== 'ok') return []
    assert(outcome.returnedAt >= invokedAt, 'an operation returns after its invocation')
    return [
      { position, time: invokedAt, isReturn: false },
      { position, time: outcome.returnedAt, isReturn: true },
    ]
  })
  return events.sort((a, b) => a.time - b.time || Number(a.isReturn) - Number(b.isReturn))
}

function unknownKinds(operations: readonly Operation<unknown, unknown>[]): readonly UnknownKind[] {
  const kinds = new Map<string, UnknownKind>()
  for (const [position, { input, outcome }] of operations.entries()) {
    if (outcome.kind !== 'unknown') continue
    const key = JSON.stringify(input)
    if (!kinds.has(key)) kinds.set(key, { positions: [] })
    kinds.get(key)!.positions.push(position)
  }
  for (const { positions } of kinds.values())
    positions.sort((a, b) => operations[a]!.invokedAt - operations[b]!.invokedAt)
  return [...kinds.values()]
}

/**
 * Which of the returned operations were ordered. They are ranked by invocation, and all but a few around the present one
 * are either in the past or in the future, so the key is short whatever the length of the history.
 */
class OrderedSet {
  readonly #ranks: Int32Array
  readonly #isOrdered: Uint8Array
  /** All ranks below are in the set. */
  #low = 0
  /** No rank from here on is in the set. */
  #high = 0

  constructor(size: number, ranks: Int32Array) {
    this.#ranks = ranks
    this.#isOrdered = new Uint8Array(size)
  }

  add(position: number): void {
    const rank = this.#ranks[position]!
    this.#isOrdered[rank] = 1
    while (this.#isOrdered[this.#low] === 1) this.#low++
    this.#high = Math.max(this.#high, rank + 1)
  }

  remove(position: number): void {
    const rank = this.#ranks[position]!
    this.#isOrdered[rank] = 0
    this.#low = Math.min(this.#low, rank)
    while (this.#high > 0 && this.#isOrdered[this.#high - 1] === 0) this.#high--
  }

  key(): string {
    let key = `${this.#low}`
    for (let rank = this.#low + 1; rank < this.#high; rank++) if (this.#isOrdered[rank] === 1) key += `,${rank}`
    return key
  }
}
