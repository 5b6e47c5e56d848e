/** A connection to a node as its client sees it. `client-connection.ts` implements it over a socket. */
import type { Api } from '../protocol/api.ts'
import type { Clock } from '../util/clock.ts'
import type { SocketFactory } from './socket.ts'

export interface ConnectionOptions {
  readonly socketFactory: SocketFactory
  readonly clock: Clock
  /** For the node's logs and quotas. */
  readonly clientId: string
  /** Library and version. */
  readonly software: string
  /** For the socket and `ApiVersions` together. */
  readonly connectTimeoutMs: number
  /** Of a request that names none. */
  readonly requestTimeoutMs: number
  /** Bytes of requests sent and not answered; exceeded by at most one request. */
  readonly inFlightBytesMax: number
  /** Gives up opening; an open connection does not listen to it any more. */
  readonly signal?: AbortSignal
}

export interface RequestOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /**
   * Large byte values of the body are sent from where they are, if the socket can do that. They must not change until the
   * request is answered; if it is not, never again: they may still be on their way out.
   */
  readonly isLent?: boolean
  /** Leaves now, not at the end of the turn: for one whose answer is waited for while the rest of the turn takes its time. */
  readonly isUrgent?: boolean
}

/** What the other end said of itself. */
export interface PeerIdentity {
  readonly clusterId: string
  readonly nodeId: number
  readonly software: string
}

/** Inclusive at both ends. */
export interface VersionRange {
  readonly versionMin: number
  readonly versionMax: number
}

export interface Connection extends AsyncDisposable {
  readonly url: string
  readonly isClosed: boolean
  readonly peer: PeerIdentity
  /** What the node serves, by api key. */
  readonly versions: ReadonlyMap<number, VersionRange>
  /** Bytes that wait here or in the socket. */
  readonly bufferedBytes: number
  /**
   * Requests leave in the order of the calls, in the highest version both sides know. Rejects with `ApiError`: the code
   * of the response, `NETWORK_EXCEPTION` when the connection closed before the answer came, `REQUEST_TIMED_OUT`,
   * `UNSUPPORTED_VERSION`; with `AbortError` after `signal`; with `ProtocolError` for a body that does not fit its
   * schema. A request given up on may still be done.
   */
  request<Q, S>(api: Api<Q, S>, body: Q, options?: RequestOptions): Promise<S>
  /** For requests that are not answered (acks 0). Throws as above; lost without notice when the connection closes. */
  requestNoResponse<Q>(api: Api<Q, unknown>, body: Q): void
  /** `null` when a request would leave at once. Also resolves when the connection closes. */
  whenWritable(): Promise<void> | null
  /** Called once, with the reason; at once when it is closed already. */
  onClose(listener: (reason: Error) => void): void
  /** Closes with 1000; requests under way reject with `NETWORK_EXCEPTION`. Resolves when the socket is gone. */
  [Symbol.asyncDispose](): Promise<void>
}
