/** What may be wrong with a history of records; the names are those of Jepsen's Kafka workload, and some of our own. */

export const anomalyNames = [
  /** Two operations disagree about the value at an offset. */
  'inconsistent-offsets',
  /** Was acknowledged, and everybody read past it without seeing it. */
  'lost-write',
  /** Was acknowledged, and nobody read it although all was read to the end. */
  'unseen',
  /** One value at two offsets. Without idempotence a retry may do that. */
  'duplicate',
  /** Was read although its sender knows that it was not written (G1a). */
  'aborted-read',
  /** Was read in a partition to which nobody sent it. */
  'unsent-read',
  /** Was read before it was sent. */
  'read-before-send',
  /** Was read at or above the high watermark that came with it. */
  'above-high-watermark',
  /** Within an operation a reader jumped ahead, or went back or repeated. */
  'int-poll-skip',
  'int-nonmonotonic-poll',
  /** The same between two operations of one reader. */
  'poll-skip',
  'nonmonotonic-poll',
  /** Values of one operation have their offsets in another order. */
  'int-nonmonotonic-send',
  /** The same between two operations of one sender. */
  'nonmonotonic-send',
  /** Was sent, by anybody, after another value was acknowledged, and stands before it. */
  'realtime-send',
  /** A reader found no record at an offset between two others. */
  'offset-gap',
] as const
export type AnomalyName = (typeof anomalyNames)[number]

export interface Anomaly {
  readonly name: AnomalyName
  /** False: it is worth telling, and allowed here. */
  readonly isBad: boolean
  readonly count: number
  /** The first ones, for people. */
  readonly examples: readonly string[]
}

/** More of one kind are only counted. */
const examplesMax = 5

/** Collects anomalies by name. */
export class Findings {
  readonly #found = new Map<AnomalyName, { count: number; examples: string[] }>()

  add(name: AnomalyName, describe: () => string): void {
    let found = this.#found.get(name)
    if (found === undefined) this.#found.set(name, (found = { count: 0, examples: [] }))
    if (++found.count <= examplesMax) found.examples.push(describe())
  }

  /** In the order of `anomalyNames`. */
  anomalies(isAllowed: (name: AnomalyName) => boolean): Anomaly[] {
    return anomalyNames.flatMap(name => {
      const found = this.#found.get(name)
      return found === undefined ? [] : [{ name, isBad: !isAllowed(name), ...found }]
    })
  }
}
