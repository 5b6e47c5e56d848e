/** What a history says about one partition: the value at each offset, who sent it, who read it. */
import type { PartitionName, RecordsOperation } from './operations.ts'

/** Who says that a value is at an offset. */
export interface Claim {
  readonly value: number
  readonly by: RecordsOperation
}

export class PartitionLog {
  readonly name: PartitionName
  /** By offset; the first that said so. */
  readonly claims = new Map<number, Claim>()
  /** By value: the operation that sent it. */
  readonly senders = new Map<number, RecordsOperation>()
  /** By value: where it stands, the first time if it stands there more than once. */
  readonly offsets = new Map<number, number>()
  readonly readValues = new Set<number>()
  readOffsetMin = Number.POSITIVE_INFINITY
  /** -1: nothing was read. */
  readOffsetMax = -1
  #order: Float64Array | null = null

  constructor(name: PartitionName) {
    this.name = name
  }

  onRead(offset: number, value: number): void {
    this.readValues.add(value)
    if (offset < this.readOffsetMin) this.readOffsetMin = offset
    if (offset > this.readOffsetMax) this.readOffsetMax = offset
  }

  /**
   * Place of an offset among all that anybody knows of: offsets may have holes. Not before the last claim. An offset of
   * which nobody knows has the place of the next one.
   */
  placeOf(offset: number): number {
    this.#order ??= Float64Array.from(this.claims.keys()).sort()
    let low = 0
    let high = this.#order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#order[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  /** For people: what stands at `offset` and who says so. */
  at(offset: number): string {
    const claim = this.claims.get(offset)
    const said = claim === undefined ? 'nothing' : `${claim.value} (${nameOf(claim.by)})`
    return `${this.name} at ${offset}: ${said}`
  }
}

/** For people. */
export function nameOf({ process, invokedAt, returnedAt }: RecordsOperation): string {
  return `${process} in [${invokedAt}, ${returnedAt === Number.POSITIVE_INFINITY ? '?' : returnedAt}]`
}
