/**
 * A first-in first-out queue over one array: push and shift cost a store each, where an array's own `shift` moves every
 * element. What was shifted is dropped in bulk, so a queue that is never quite empty does not grow. The bound is the
 * caller's.
 */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** The front, left where it is. */
  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      this.#items.length = 0
      this.#head = 0
    } else if (this.#head >= compactAt && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Takes back what was pushed last, while `isTaken` says so; returns it in the order it was pushed. */
  takeTail(isTaken: (item: T) => boolean): T[] {
    let from = this.#items.length
    while (from > this.#head && isTaken(this.#items[from - 1] as T)) from -= 1
    return this.#items.splice(from) as T[]
  }

  /** Puts `item` before the first one for which `isAfter` holds. Linear: for the rare way back into a queue. */
  insertBefore(item: T, isAfter: (other: T) => boolean): void {
    let at = this.#head
    while (at < this.#items.length && !isAfter(this.#items[at] as T)) at++
    this.#items.splice(at, 0, item)
  }

  /** Removes the items for which `matches` holds, keeping the order of the rest. */
  removeWhere(matches: (item: T) => boolean): void {
    this.#items = (this.#items.slice(this.#head) as T[]).filter(item => !matches(item))
    this.#head = 0
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let at = this.#head; at < this.#items.length; at++) yield this.#items[at] as T
  }
}

const compactAt = 1024
