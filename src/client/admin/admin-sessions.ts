/**
 * The sessions of one admin client. A controller takes the requests of a session in their order and remembers its answer to
 * the latest (thesis, section 6.3), so a session has one request under way: of two the later one could be taken first, and
 * the other would be refused as too old whatever had become of it.
 */
import type { Random } from '../../util/random.ts'

export interface AdminSession {
  readonly clientId: string
  requestId: number
}

/** The controller remembers so many sessions and no more: a client has few. What exceeds them waits. */
const sessionsMax = 8

export class AdminSessions {
  readonly #random: Random
  readonly #idle: AdminSession[] = []
  #count = 0
  readonly #waiting: Array<(session: AdminSession) => void> = []

  constructor(random: Random) {
    this.#random = random
  }

  /** Gives `request` a session that nothing else uses until it is settled, with an id that is not older than any of it. */
  async use<T>(request: (session: AdminSession) => Promise<T>): Promise<T> {
    const session = this.#idle.pop() ?? (await this.#another())
    session.requestId++
    try {
      return await request({ ...session })
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#idle.push(session)
      else next(session)
    }
  }

  #another(): AdminSession | Promise<AdminSession> {
    if (this.#count === sessionsMax) return new Promise(resolve => this.#waiting.push(resolve))
    this.#count++
    const clientId = [...this.#random.nextBytes(16)].map(byte => byte.toString(16).padStart(2, '0')).join('')
    return { clientId, requestId: 0 }
  }
}
