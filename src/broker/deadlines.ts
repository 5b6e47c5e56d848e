/**
 * All deadlines of delayed operations on one timer: a hashed wheel (Varghese and Lauck 1987). Adding and cancelling
 * are constant work, which matters because almost every deadline is cancelled: the answer comes first. A deadline is
 * never early and at most one tick late. The timer is armed for the earliest of them, and left so when that one is
 * cancelled: a node with one request at a time would else set and clear a timer for each. It then fires for nothing, once.
 */
import { assert } from '../util/assert.ts'
import type { Clock, Timer } from '../util/clock.ts'

const tickMs = 8
const slotCount = 1024

/** One waiting deadline. Idempotent to cancel; after it the callback is never called. */
export interface Deadline {
  cancel(): void
}

export class Deadlines {
  readonly #clock: Clock
  readonly #slots: (Node | null)[] = new Array(slotCount).fill(null)
  #count = 0
  /** Everything due at or before this tick has been called. */
  #doneTick: number
  #armed: { tick: number; timer: Timer } | null = null

  constructor(clock: Clock) {
    this.#clock = clock
    this.#doneTick = Math.floor(clock.nowMs() / tickMs)
  }

  /** Deadlines that are waiting now. */
  get count(): number {
    return this.#count
  }

  /** Calls `onExpired` once, after at least `delayMs`, unless it is cancelled before. */
  add(delayMs: number, onExpired: () => void): Deadline {
    const nowMs = this.#clock.nowMs()
    // With nothing waiting the wheel stood still: the ticks since then have nothing to call.
    if (this.#count === 0) this.#doneTick = Math.floor(nowMs / tickMs)
    const dueTick = Math.max(this.#doneTick + 1, Math.ceil((nowMs + Math.max(0, delayMs)) / tickMs))
    const slot = dueTick % slotCount
    const node: Node = {
      dueTick,
      slot,
      onExpired,
      previous: null,
      next: this.#slots[slot]!,
      isWaiting: true,
      cancel: () => this.#remove(node),
    }
    if (node.next !== null) node.next.previous = node
    this.#slots[slot] = node
    this.#count += 1
    if (this.#armed === null || dueTick < this.#armed.tick) this.#arm(dueTick)
    return node
  }

  /** Forgets everything that waits, without calling it. */
  close(): void {
    this.#armed?.timer.cancel()
    this.#armed = null
    this.#slots.fill(null)
    this.#count = 0
  }

  #remove(node: Node): void {
    if (!node.isWaiting) return
    node.isWaiting = false
    this.#count -= 1
    if (node.next !== null) node.next.previous = node.previous
    if (node.previous !== null) node.previous.next = node.next
    else if (this.#slots[node.slot] === node) this.#slots[node.slot] = node.next
    node.previous = null
    node.next = null
  }

  #arm(tick: number): void {
    this.#armed?.timer.cancel()
    const timer = this.#clock.setTimer(tick * tickMs - this.#clock.nowMs(), () => this.#onTimer())
    this.#armed = { tick, timer }
  }

  #onTimer(): void {
    this.#armed = null
    // A sum of fractions may fall a hair short of the tick that was aimed at, and would for ever where time is virtual.
    const nowTick = Math.floor(this.#clock.nowMs() / tickMs + 1e-9)
    const expired: Node[] = []
    const firstTick = Math.max(this.#doneTick + 1, nowTick - slotCount + 1)
    for (let tick = firstTick; tick <= nowTick; tick++) {
      for (let node: Node | null = this.#slots[tick % slotCount]!; node !== null; node = node.next) {
        if (node.dueTick <= nowTick) expired.push(node)
      }
    }
    this.#doneTick = Math.max(this.#doneTick, nowTick)
    for (const node of expired) {
      // A callback before this one may have cancelled it.
      if (!node.isWaiting) continue
      this.#remove(node)
      node.onExpired()
    }
    this.#armNext()
  }

  #armNext(): void {
    if (this.#count === 0 || this.#armed !== null) return
    for (let tick = this.#doneTick + 1; tick <= this.#doneTick + slotCount; tick++) {
      if (this.#slots[tick % slotCount] !== null) {
        this.#arm(tick)
        return
      }
    }
    assert(false, 'a counted deadline is in a slot')
  }
}

interface Node extends Deadline {
  readonly dueTick: number
  readonly slot: number
  readonly onExpired: () => void
  previous: Node | null
  next: Node | null
  isWaiting: boolean
}
