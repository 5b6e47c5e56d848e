/** What a run has found so far, by point. */
import type { Limit, PointResult, RunResult } from './results.ts'
import { nameOf, type Point } from './workload.ts'

type Tell = (line: string) => void

export class Collected implements PointResult {
  readonly point: Point
  readonly runs: Record<string, (RunResult | null)[]> = {}
  readonly limits: Limit[] = []
  readonly failures: string[] = []

  constructor(point: Point) {
    this.point = point
  }

  /** One repetition of a system. What fails costs nobody else a figure. */
  async run(system: string, tell: Tell, measure: () => Promise<RunResult | null> | null): Promise<void> {
    const runs = (this.runs[system] ??= [])
    try {
      runs.push(await measure())
    } catch (error) {
      this.fail(tell, system, error)
      runs.push(null)
    }
  }

  fail(tell: Tell, system: string, error: unknown): void {
    const message = `${nameOf(this.point)} on ${system}: ${(error as Error).message}`
    tell(`failed: ${message}`)
    this.failures.push(message)
  }
}

export class Collection {
  readonly #points = new Map<string, Collected>()

  of(point: Point): Collected {
    const name = nameOf(point)
    let collected = this.#points.get(name)
    if (collected === undefined) this.#points.set(name, (collected = new Collected(point)))
    return collected
  }

  /** In the order in which they were first asked for. */
  results(): PointResult[] {
    return [...this.#points.values()]
  }
}
