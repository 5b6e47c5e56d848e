/**
 * The time between the start of a node and the moment it knows of an active controller. In a cluster that is as long as it
 * takes a majority of the voters to start (the first time: all of them), so somebody will want to know who is missing.
 */
import type { UnreachedPeer } from '../quorum/network/types.ts'
import type { Clock, Timer } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'

const reportEveryMs = 5_000

export class QuorumWait implements Disposable {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #unreached: () => readonly UnreachedPeer[]
  readonly #startedMs: number
  #timer: Timer

  /** Says every few seconds what is waited for, until it is disposed of. */
  constructor(clock: Clock, logger: Logger, unreached: () => readonly UnreachedPeer[]) {
    this.#clock = clock
    this.#logger = logger
    this.#unreached = unreached
    this.#startedMs = clock.nowMs()
    this.#timer = this.#schedule()
  }

  /** One sentence each. */
  reasons(): readonly string[] {
    return ['This node knows of no leader of the controller quorum yet.', ...this.#unreached().map(sentence)]
  }

  [Symbol.dispose](): void {
    this.#timer.cancel()
  }

  #schedule(): Timer {
    return this.#clock.setTimer(reportEveryMs, () => {
      const waitedSeconds = Math.round((this.#clock.nowMs() - this.#startedMs) / 1_000)
      const unreached = this.#unreached().map(sentence)
      this.#logger.warn({ waitedSeconds, unreached }, 'waiting for the controller quorum')
      this.#timer = this.#schedule()
    })
  }
}

function sentence({ id, url, reason }: UnreachedPeer): string {
  return `Node ${id} at ${url} is not reached: ${reason}`
}
