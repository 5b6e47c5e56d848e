/**
 * One connection per node URL, opened when first wanted, shared, opened anew after it closed. A URL that just failed is
 * tried again only after a backoff that grows, so a dead node costs nobody a busy loop.
 */
import { ApiError } from '../protocol/errors.ts'
import { AbortError } from '../util/errors.ts'
import type { Connect, Connection } from './connection.ts'
import { answerLateMs, type ClientSettings } from './options.ts'
import { backoffDelayMs, sleep } from './wait.ts'

interface Slot {
  readonly url: string
  connection: Connection | null
  opening: Promise<Connection> | null
  /** Failed attempts since the last success. */
  failures: number
  /** On the monotonic clock: no attempt before this. */
  notBeforeMs: number
  /** When the attempt under way began, on the monotonic clock. */
  openingSinceMs: number
  /** On the monotonic clock: until then others are asked first. */
  suspectUntilMs: number
}

/** A suspicion ends by itself: renewed while answers are late, gone soon after they come again. */
const suspicionMs = 2 * answerLateMs

export class ConnectionPool {
  readonly #settings: ClientSettings
  readonly #connect: Connect
  readonly #slots = new Map<string, Slot>()
  readonly #closing = new AbortController()
  /** Connections opened so far, reconnections included. */
  opened = 0

  constructor(settings: ClientSettings, connect: Connect) {
    this.#settings = settings
    this.#connect = connect
  }

  /** The connection to `url` if it is open right now. */
  openTo(url: string): Connection | null {
    const connection = this.#slots.get(url)?.connection ?? null
    return connection === null || connection.isClosed ? null : connection
  }

  /** When `url` may be tried next, on the monotonic clock; 0 when it never failed. */
  notBeforeMs(url: string): number {
    return this.#slots.get(url)?.notBeforeMs ?? 0
  }

  /** Opens a connection to `url`, or joins whoever is at it. Waits out the backoff of earlier failures first. */
  get(url: string): Promise<Connection> {
    const open = this.openTo(url)
    if (open !== null) return Promise.resolve(open)
    if (this.#closing.signal.aborted) return Promise.reject(new AbortError('the client is closed'))
    let slot = this.#slots.get(url)
    if (slot === undefined) {
      slot = { url, connection: null, opening: null, failures: 0, notBeforeMs: 0, openingSinceMs: 0, suspectUntilMs: 0 }
      this.#slots.set(url, slot)
    }
    slot.opening ??= this.#open(slot)
    return slot.opening
  }

  /** Whether the last attempt to open failed, or the one under way takes too long. */
  isUnreachable(url: string): boolean {
    const slot = this.#slots.get(url)
    if (slot === undefined || this.openTo(url) !== null) return false
    const isLate = slot.opening !== null && this.#settings.clock.nowMs() >= slot.openingSinceMs + answerLateMs
    return slot.failures > 0 || isLate
  }

  /** There is news of the node: the next attempt need not wait for what earlier ones have earned it. */
  forgive(url: string): void {
    const slot = this.#slots.get(url)
    if (slot === undefined) return
    slot.notBeforeMs = 0
    slot.failures = 0
  }

  isSuspect(url: string): boolean {
    const slot = this.#slots.get(url)
    return slot !== undefined && slot.suspectUntilMs > this.#settings.clock.nowMs()
  }

  suspect(connection: Connection): void {
    for (const slot of this.#slots.values()) {
      if (slot.connection === connection) slot.suspectUntilMs = this.#settings.clock.nowMs() + suspicionMs
    }
  }

  /** Gives up a connection whose node answers nothing of use; other nodes are tried before it. */
  discard(connection: Connection): void {
    const { clock, random } = this.#settings
    for (const slot of this.#slots.values()) {
      if (slot.connection !== connection) continue
      slot.connection = null
      slot.notBeforeMs = clock.nowMs() + backoffDelayMs(this.#settings, ++slot.failures, random)
    }
    connection[Symbol.asyncDispose]().then(undefined, () => {})
  }

  async close(): Promise<void> {
    this.#closing.abort(new AbortError('the client is closed'))
    const open = [...this.#slots.values()].flatMap(slot => slot.connection ?? [])
    this.#slots.clear()
    await Promise.all(open.map(connection => connection[Symbol.asyncDispose]()))
  }

  async #open(slot: Slot): Promise<Connection> {
    const { clock, random, logger } = this.#settings
    const { signal } = this.#closing
    slot.openingSinceMs = clock.nowMs()
    try {
      const waitMs = slot.notBeforeMs - clock.nowMs()
      if (waitMs > 0) await sleep(clock, waitMs, signal)
      const connection = await this.#connect(slot.url, signal)
      if (signal.aborted) {
        await connection[Symbol.asyncDispose]()
        throw new AbortError('the client is closed')
      }
      slot.connection = connection
      slot.failures = 0
      slot.notBeforeMs = 0
      this.opened++
      logger.debug({ url: slot.url }, 'connected')
      connection.onClose(reason => {
        if (!signal.aborted) logger.warn({ url: slot.url, reason: reason.message }, 'connection lost')
        if (slot.connection === connection) slot.connection = null
      })
      return connection
    } catch (error) {
      slot.failures++
      if (!signal.aborted) logger.warn({ url: slot.url, error: describe(error) }, 'could not connect')
      slot.notBeforeMs = clock.nowMs() + backoffDelayMs(this.#settings, slot.failures, random)
      if (error instanceof ApiError || error instanceof AbortError) throw error
      throw new ApiError('NETWORK_EXCEPTION', `${slot.url}: ${describe(error)}`, { cause: error })
    } finally {
      slot.opening = null
    }
  }
}

/** The sentence of an error, whatever was thrown. */
export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
