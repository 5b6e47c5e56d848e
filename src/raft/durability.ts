/**
 * Which writes are under way and what they will have made durable. Writes complete in the order of their numbers.
 */
import { assertAtMost, assertLess } from '../util/assert.ts'
import { type LogIndex, toLogIndex } from '../util/numbers.ts'

export class Durability {
  /** Number of the last write handed out; 0 for none. */
  #issuedWrite = 0
  #persistedWrite = 0
  /** The last write that carried the hard state. */
  #hardStateWrite = 0
  #stalledTicks = 0
  #inFlight: { write: number; lastIndex: number }[] = []
  /** Term or vote changed in memory and no write carries the change yet. */
  isHardStateDirty = false

  /** A write leaves; it makes the log durable up to `lastIndex` when it carries entries. */
  issue(lastIndex: LogIndex, carriesHardState: boolean): number {
    const write = ++this.#issuedWrite
    this.#inFlight.push({ write, lastIndex })
    if (carriesHardState) {
      this.#hardStateWrite = write
      this.isHardStateDirty = false
    }
    return write
  }

  /** Returns the log index that is durable because of it; 0 when no entries were among the writes. */
  complete(write: number): LogIndex {
    assertLess(this.#persistedWrite, write, 'writes complete once, in order')
    assertAtMost(write, this.#issuedWrite, 'only what was issued completes')
    this.#persistedWrite = write
    this.#stalledTicks = 0
    let lastIndex = 0
    let count = 0
    for (const flight of this.#inFlight) {
      if (flight.write > write) break
      lastIndex = flight.lastIndex
      count++
    }
    this.#inFlight.splice(0, count)
    return toLogIndex(lastIndex)
  }

  /** The log was cut to end at `index`: no write under way makes anything above it durable, whatever it carries there. */
  clampTo(index: LogIndex): void {
    for (const flight of this.#inFlight) flight.lastIndex = Math.min(flight.lastIndex, index)
  }

  isDurable(write: number): boolean {
    return write <= this.#persistedWrite
  }

  get isHardStateDurable(): boolean {
    return !this.isHardStateDirty && this.#hardStateWrite <= this.#persistedWrite
  }

  get persistedWrite(): number {
    return this.#persistedWrite
  }

  /** How long the disk has been silent while a write waits. */
  get stalledTicks(): number {
    return this.#stalledTicks
  }

  tick(): void {
    this.#stalledTicks = this.#inFlight.length === 0 ? 0 : this.#stalledTicks + 1
  }
}
