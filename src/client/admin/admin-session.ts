/**
 * The session of one admin client. A controller takes the requests of a session in their order and remembers its answer to
 * the latest (thesis, section 6.3), so one is under way at a time: of two the later one could be taken first, and the other
 * would be refused as too old whatever had become of it. It also keeps whoever gave a request up, and made another one, from
 * seeing the first come true afterwards.
 */
import type { Random } from '../../util/random.ts'

/** What a request says of itself. */
export interface RequestSession {
  readonly clientId: string
  readonly requestId: number
}

export class AdminSession {
  readonly #clientId: string
  #requestId = 0
  #latest: Promise<unknown> = Promise.resolve()

  constructor(random: Random) {
    this.#clientId = [...random.nextBytes(16)].map(byte => byte.toString(16).padStart(2, '0')).join('')
  }

  /** Makes the request when all before it are settled. */
  inTurn<T>(request: (session: RequestSession) => Promise<T>): Promise<T> {
    const turn = this.#latest.then(() => request({ clientId: this.#clientId, requestId: ++this.#requestId }))
    this.#latest = turn.catch(() => undefined)
    return turn
  }
}
