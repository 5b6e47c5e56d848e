/**
 * The nodes of the cluster as far as they are known, by id and by address, and whom to ask when any will do: one that is
 * connected before one that is not, and one that has kept somebody waiting last.
 */
import { ApiError } from '../protocol/errors.ts'
import { AbortError } from '../util/errors.ts'
import type { Connect, Connection } from './connection.ts'
import { ConnectionPool, describe } from './connection-pool.ts'
import { hedge } from './hedge.ts'
import { answerLateMs, type ClientSettings } from './options.ts'

export class Nodes {
  readonly #settings: ClientSettings
  readonly #pool: ConnectionPool
  #urls = new Map<number, string>()

  constructor(settings: ClientSettings, connect: Connect) {
    this.#settings = settings
    this.#pool = new ConnectionPool(settings, connect)
  }

  get connectionsOpened(): number {
    return this.#pool.opened
  }

  /** The brokers as the view has them now. One that is back is tried at once, whatever came of earlier attempts. */
  set(urls: Map<number, string>): void {
    for (const [nodeId, url] of urls) if (this.#urls.get(nodeId) !== url) this.#pool.forgive(url)
    this.#urls = urls
  }

  isKnown(nodeId: number): boolean {
    return this.#urls.has(nodeId)
  }

  /** The open connection to a broker, if there is one. */
  openTo(nodeId: number): Connection | null {
    const url = this.#urls.get(nodeId)
    return url === undefined ? null : this.#pool.openTo(url)
  }

  /** Whether the last attempt to connect to the broker failed, or is taking too long. */
  isUnreachable(nodeId: number): boolean {
    const url = this.#urls.get(nodeId)
    return url === undefined || this.#pool.isUnreachable(url)
  }

  /** A connection to a broker, opened if need be. */
  connectTo(nodeId: number): Promise<Connection> {
    const url = this.#urls.get(nodeId)
    if (url !== undefined) return this.#pool.get(url)
    return Promise.reject(new ApiError('LEADER_NOT_AVAILABLE', `the address of node ${nodeId} is not known`))
  }

  /** Any node: one that is connected if possible, else the first that can be. Rejects with all that was tried. */
  async connectToAny(): Promise<Connection> {
    const urls = this.#inTurn()
    const open = this.#pool.openTo(urls[0]!)
    return open ?? this.#first(urls, url => this.#pool.get(url))
  }

  /**
   * Asks nodes in turn, the next one as soon as one fails or is late, until one answers: for questions that any node
   * answers and that may be asked twice. Rejects with what the first one to refuse said, if any was reached.
   */
  async askInTurn<S>(ask: (connection: Connection) => Promise<S>): Promise<S> {
    const refusals: unknown[] = []
    const attempt = async (url: string): Promise<S> => {
      const connection = await this.#pool.get(url)
      const late = this.#settings.clock.setTimer(answerLateMs, () => this.suspect(connection))
      try {
        return await ask(connection)
      } catch (error) {
        refusals.push(error)
        if (error instanceof ApiError && error.code === 'REQUEST_TIMED_OUT') this.discard(connection)
        throw error
      } finally {
        late.cancel()
      }
    }
    try {
      return await this.#first(this.#inTurn(), attempt)
    } catch (error) {
      throw error instanceof AbortError ? error : (refusals[0] ?? error)
    }
  }

  /** Gives up a connection whose node answers nothing of use: the next request to any node goes to another, if it can. */
  discard(connection: Connection): void {
    this.#pool.discard(connection)
  }

  /** The node keeps somebody waiting: for a while others are asked before it. */
  suspect(connection: Connection): void {
    this.#pool.suspect(connection)
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  /** All known addresses: connected ones in random order, then those to connect to, then those under suspicion. */
  #inTurn(): string[] {
    const { random, bootstrap } = this.#settings
    const urls = [...new Set([...this.#urls.values(), ...bootstrap])]
    const places = urls.map(url => {
      const isOpen = this.#pool.openTo(url) !== null
      const group = this.#pool.isSuspect(url) ? 2 : isOpen ? 0 : 1
      return { url, group, order: isOpen ? random.nextFloat() : this.#pool.notBeforeMs(url) }
    })
    return places.sort((a, b) => a.group - b.group || a.order - b.order).map(place => place.url)
  }

  async #first<T>(urls: readonly string[], attempt: (url: string) => Promise<T>): Promise<T> {
    const attempts = urls.map(url => () => attempt(url))
    try {
      return await hedge(this.#settings.clock, answerLateMs, attempts)
    } catch (error) {
      if (!(error instanceof AggregateError)) throw error
      const tried = urls.map((url, at) => `${url} (${describe(error.errors[at])})`)
      throw new ApiError('NETWORK_EXCEPTION', `no node could be reached; tried ${tried.join(', ')}`, { cause: error })
    }
  }
}
