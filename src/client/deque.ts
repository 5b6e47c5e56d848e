/**
 * A first-in first-out queue that gives its front back in constant time. An array's `shift` moves every element; a
 * producer's or a consumer's queue may hold thousands.
 */
export class Deque<T> {
  #items: Array<T | undefined> = []
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
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      this.#items.length = 0
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Puts `item` before the first one for which `isAfter` holds. Linear: for the rare way back into a queue. */
  insertBefore(item: T, isAfter: (other: T) => boolean): void {
    let at = this.#head
    while (at < this.#items.length && !isAfter(this.#items[at]!)) at++
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
    for (let at = this.#head; at < this.#items.length; at++) yield this.#items[at]!
  }
}
