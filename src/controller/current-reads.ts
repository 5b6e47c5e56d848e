/**
 * Reads that show everything committed anywhere before they were asked for, on any node (ReadIndex; Raft thesis, section
 * 6.4): the active controller says how far its log is once a majority has confirmed it, and this node waits until it has
 * applied as much. Reads that begin in one turn of the event loop share a question.
 */
import type { ClusterImage } from '../metadata/cluster-image.ts'
import { ApiError } from '../protocol/errors.ts'
import type { Clock } from '../util/clock.ts'
import type { LogIndex } from '../util/numbers.ts'

export interface CurrentReadsOptions {
  readonly clock: Clock
  /** Asks the active controller. */
  readonly readIndex: (timeoutMs: number) => Promise<LogIndex>
  readonly appliedIndex: () => LogIndex
  readonly committed: () => ClusterImage
  /** Of a question; a read gives up earlier if it must. */
  readonly timeoutMs: number
}

interface Waiting {
  readonly index: LogIndex
  readonly resolve: () => void
}

export class CurrentReads {
  readonly #options: CurrentReadsOptions
  /** The question that leaves at the end of this turn. */
  #next: Promise<void> | null = null
  readonly #waiting = new Set<Waiting>()

  constructor(options: CurrentReadsOptions) {
    this.#options = options
  }

  /** Rejects as the question does, and with `REQUEST_TIMED_OUT`. */
  image(timeoutMs: number): Promise<ClusterImage> {
    this.#next ??= this.#ask()
    const proved = this.#next
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.setTimer(timeoutMs, () => {
        reject(new ApiError('REQUEST_TIMED_OUT', 'The active controller did not say in time what is current.'))
      })
      proved.then(
        () => resolve(this.#options.committed()),
        (error: unknown) => reject(error),
      )
      proved.finally(() => timer.cancel()).catch(() => {})
    })
  }

  /** This node has applied more. */
  onApplied(appliedIndex: LogIndex): void {
    for (const waiting of this.#waiting) {
      if (waiting.index > appliedIndex) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
  }

  async #ask(): Promise<void> {
    const { clock, readIndex, timeoutMs } = this.#options
    await new Promise<void>(resolve => clock.defer(resolve))
    this.#next = null
    const endMs = clock.nowMs() + timeoutMs
    const index = await readIndex(timeoutMs)
    await this.#applied(index, endMs - clock.nowMs())
  }

  #applied(index: LogIndex, timeoutMs: number): Promise<void> {
    const { clock, appliedIndex } = this.#options
    if (appliedIndex() >= index) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(timeoutMs, () => {
        this.#waiting.delete(waiting)
        reject(new ApiError('REQUEST_TIMED_OUT', 'This node is behind the metadata log and did not catch up in time.'))
      })
      const waiting = {
        index,
        resolve: () => {
          timer.cancel()
          resolve()
        },
      }
      this.#waiting.add(waiting)
    })
  }
}
