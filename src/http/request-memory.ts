/**
 * What the requests of the REST interface hold of the node's memory: bodies as they arrive, answers until they are taken.
 * From half of the limit on new requests wait, unread, and feel it through TCP; those that have begun have the other
 * half to end in, and at the limit one that asks for more is refused. So the limit is hard, no request waits for one
 * that waits for it, and memory is only ever charged to who has really sent so much.
 */
import { assertCount } from '../util/assert.ts'
import type { HttpStats } from './http-stats.ts'

/** Waiting requests beyond this are refused. */
const waitingMax = 1_000

export type Turn = 'now' | 'later' | 'never'

export class RequestMemory {
  readonly #bytesMax: number
  readonly #stats: HttpStats
  /** In the order they came. */
  readonly #waiting = new Set<() => void>()

  constructor(bytesMax: number, stats: HttpStats) {
    this.#bytesMax = bytesMax
    this.#stats = stats
  }

  /** Requests wait for what others hold. */
  get isShort(): boolean {
    return this.#waiting.size > 0
  }

  /** Whether a new request may begin. `later`: `begin` is called when it may, unless it is taken back by `leave`. */
  enter(begin: () => void): Turn {
    if (this.#waiting.size === 0 && this.#hasRoom()) return 'now'
    if (this.#waiting.size >= waitingMax) return 'never'
    this.#waiting.add(begin)
    this.#stats.waiting = this.#waiting.size
    return 'later'
  }

  leave(begin: () => void): void {
    this.#waiting.delete(begin)
    this.#stats.waiting = this.#waiting.size
  }

  /** `false`: there is no room, and nothing was taken. */
  take(bytes: number): boolean {
    if (this.#stats.heldBytes + bytes > this.#bytesMax) return false
    this.#stats.heldBytes += bytes
    return true
  }

  release(bytes: number): void {
    this.#stats.heldBytes -= bytes
    assertCount(this.#stats.heldBytes, 'bytes held by HTTP requests')
    for (const begin of this.#waiting) {
      if (!this.#hasRoom()) return
      this.leave(begin)
      begin()
    }
  }

  #hasRoom(): boolean {
    return this.#stats.heldBytes < this.#bytesMax / 2
  }
}
