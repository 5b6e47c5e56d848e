/** Tools that take a number of records instead of a time: the number is guessed from the rate of the run before. */

const recordsFirst = 2_000
const recordsMin = 200
/** A rate that is learnt cold is too low: a warm-up is several runs. */
const warmupRuns = 4

export class RecordCounts {
  readonly #rates = new Map<string, number>()

  /** For about so many seconds of what `key` names. */
  countFor(key: string, seconds: number): number {
    const rate = this.#rates.get(key)
    return rate === undefined ? recordsFirst : Math.max(recordsMin, Math.round(rate * seconds))
  }

  /** Runs until so many seconds of load are over, and knows the rate afterwards. */
  async warmUp(
    key: string,
    seconds: number,
    run: (count: number) => Promise<{ readonly records: number; readonly seconds: number }>,
  ): Promise<void> {
    let done = 0
    do {
      const result = await run(this.countFor(key, Math.max(0, seconds) / warmupRuns))
      this.#rates.set(key, result.records / result.seconds)
      done += result.seconds
    } while (done < seconds)
  }
}
