/**
 * What the client needs of a connection, and how it gets one. `transport/` provides it over a socket; a test may
 * provide one that has no wire at all.
 */
import type { Api } from '../protocol/api.ts'

export interface Connection extends AsyncDisposable {
  readonly url: string
  readonly isClosed: boolean
  /**
   * Sends one request and resolves with the response's body. Rejects with `ApiError`. `isLent`: large byte values of the
   * body may be sent from where they are, and must not change before it resolves; if it rejects, never again. `isUrgent`: it
   * leaves now, not at the end of the turn.
   */
  request<Q, S>(
    api: Api<Q, S>,
    body: Q,
    options?: { timeoutMs?: number; signal?: AbortSignal; isLent?: boolean; isUrgent?: boolean },
  ): Promise<S>
  /** Sends a request that has no answer. */
  requestNoResponse<Q>(api: Api<Q, unknown>, body: Q): void
  /** `null` while there is room; else a promise for the moment there is. */
  whenWritable(): Promise<void> | null
  onClose(listener: (reason: Error) => void): void
}

/** Opens a connection to `url`, handshake included. Rejects with `ApiError`. */
export type Connect = (url: string, signal: AbortSignal) => Promise<Connection>
