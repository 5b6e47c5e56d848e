/**
 * A queue over one array: push and shift cost a store each. What was shifted is dropped in bulk, so a queue that is
 * never quite empty does not grow. The bound is the caller's: what waits here is counted in flight by the transport.
 */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  /** Takes back what was pushed last, while `isTaken` says so; returns it in the order it was pushed. */
  takeTail(isTaken: (item: T) => boolean): T[] {
    let from = this.#items.length
    while (from > this.#head && isTaken(this.#items[from - 1] as T)) from -= 1
    return this.#items.splice(from) as T[]
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
}

const compactAt = 1024
