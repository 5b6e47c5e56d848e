/**
 * What a reader holds of its partitions, as an application that keeps what it reads: record by record, and no more below a
 * truncation that it was told of. Nobody tells it of one: then what it holds is the log.
 */
import type { EpochStart } from '../../client/consumer/types.ts'
import { hold } from '../quorum/invariants/invariant.ts'
import type { PollStep } from '../records/operations.ts'

/** A place to which one may go back and still be told of a truncation. */
export interface Mark {
  readonly offset: number
  /** Of the records before it. */
  readonly epochs: readonly EpochStart[]
}

/** More are not needed to go back to something old now and then. */
const marksMax = 20

interface Held {
  /** By offset, from 0. */
  readonly values: number[]
  readonly marks: Mark[]
}

export class ReaderView {
  readonly #held = new Map<string, Held>()

  /** `by`: for people. */
  onRead(by: string, { partition, offsets, values }: PollStep): void {
    const held = this.#of(partition)
    for (const [i, offset] of offsets.entries()) {
      const account = (): string => `${by} reads ${partition} at ${offset}, and has ${held.values.length} records`
      hold(offset === held.values.length, 'a reader is given record after record', account)
      held.values.push(values[i]!)
    }
  }

  /** The reader stands at `mark` now. */
  note(partition: string, mark: Mark): void {
    const { marks } = this.#of(partition)
    marks.push(mark)
    if (marks.length > marksMax) marks.shift()
  }

  marksOf(partition: string): readonly Mark[] {
    return this.#of(partition).marks
  }

  /** It stood at `position`, and was told that the log is another one from `divergingOffset` on. */
  onTold(by: string, partition: string, position: number, divergingOffset: number): void {
    const { length } = this.#of(partition).values
    const account = (): string => `${by} has ${length} of ${partition}, is told at ${position} of ${divergingOffset}`
    hold(position === length && divergingOffset < position, 'a truncation is told where the reader is', account)
    this.goTo(partition, divergingOffset)
  }

  /** It goes on at `offset`, and forgets what is behind it. */
  goTo(partition: string, offset: number): void {
    const { values, marks } = this.#of(partition)
    values.length = Math.min(values.length, offset)
    while (marks.length > 0 && marks.at(-1)!.offset > offset) marks.pop()
  }

  /** Where it differs from another one, for people; `null`: nowhere. */
  differenceFrom(other: ReaderView): string | null {
    for (const [partition, { values }] of other.#held) {
      const own = this.#of(partition).values
      const at = values.findIndex((value, offset) => own[offset] !== value)
      if (at >= 0) return `${partition} at ${at}: ${own[at] ?? 'nothing'}, and ${values[at]} in the end`
      if (own.length > values.length) return `${partition}: ${own.length} records, ${values.length} in the end`
    }
    return null
  }

  #of(partition: string): Held {
    let held = this.#held.get(partition)
    if (held === undefined) this.#held.set(partition, (held = { values: [], marks: [] }))
    return held
  }
}
