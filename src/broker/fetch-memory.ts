/**
 * How many bytes of records the fetch answers of this node may hold at once, over all connections, from the read until
 * the reader has taken them. A fetch takes what is left up to its own limit and gives back what it did not need; when
 * nothing is left it waits its turn. One batch larger than the rest is still served whole, so the bound is soft by one
 * batch per fetch under way.
 */
import { assertCount } from '../util/assert.ts'
import { Fifo } from '../util/fifo.ts'

export class FetchMemory {
  readonly bytesMax: number
  #bytesUsed = 0
  readonly #waiting = new Fifo<() => void>()

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get bytesUsed(): number {
    return this.#bytesUsed
  }

  /** Somebody waits for what others hold. */
  get isShort(): boolean {
    return this.#waiting.length > 0
  }

  /** Takes up to `wanted` bytes, at least one: at once when there are any, else when others have given back. */
  take(wanted: number): number | Promise<number> {
    if (this.#waiting.length === 0 && this.#bytesUsed < this.bytesMax) return this.#grant(wanted)
    return new Promise(resolve => this.#waiting.push(() => resolve(this.#grant(wanted))))
  }

  /** A grant turned out to be smaller or, by one large batch, larger. */
  correct(granted: number, used: number): void {
    this.#bytesUsed += used - granted
    assertCount(this.#bytesUsed, 'fetch memory in use')
    this.#serveWaiting()
  }

  release(bytes: number): void {
    this.correct(bytes, 0)
  }

  #grant(wanted: number): number {
    const granted = Math.max(1, Math.min(wanted, this.bytesMax - this.#bytesUsed))
    this.#bytesUsed += granted
    return granted
  }

  #serveWaiting(): void {
    while (this.#bytesUsed < this.bytesMax) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      next()
    }
  }
}
