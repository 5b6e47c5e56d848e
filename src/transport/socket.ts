/**
 * A connection that carries whole binary messages, as a port: `ws` in Node, `WebSocket` in a browser, a virtual network
 * in the simulator. Callbacks are set once, right after the socket is obtained and before the next turn.
 *
 * The protocol has binary messages only: an implementation closes with 1003 when a text message arrives, and with 1009
 * when a message is larger than it was told to accept. After `close` or `terminate` no message is handed up any more.
 */
export interface Socket {
  /** For logs: the other end. */
  readonly remote: string
  /** Bytes handed to `send` that have not left this process. */
  readonly bufferedBytes: number
  /** Queues one binary message. The bytes must not change until they have left. Messages sent in one turn leave together. */
  send(message: Uint8Array): void
  /** One message in parts, none of which is copied. Only where that can be done. */
  sendParts?(parts: readonly Uint8Array[]): void
  /** What was sent in this turn need not wait for the end of it. Only where it would. */
  flush?(): void
  /** Stops reading: the other end feels it through its own buffers. */
  pause(): void
  resume(): void
  /** Closes after what is queued; `code` 1000 or 4000–4999 or one of RFC 6455's. `reason` is at most 123 bytes. */
  close(code: number, reason: string): void
  /** Closes at once. */
  terminate(): void
  /** The view is valid until the receiver drops it: it is not reused. */
  onMessage: (message: Uint8Array) => void
  /** `bufferedBytes` fell below `bufferMarks.lowBytes` after having been above `bufferMarks.highBytes`. */
  onDrain: () => void
  /** Exactly once, always: after a close from either end, an error, a lost connection. */
  onClose: (code: number, reason: string) => void
}

export interface SocketFactory {
  /** Resolves once the handshake is done with subprotocol `millrace.v1`. Rejects with `ApiError` `NETWORK_EXCEPTION`. */
  connect(url: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Socket>
}

/** Above the high mark a writer stops making more; `onDrain` comes below the low one. */
export const bufferMarks = { highBytes: 1024 * 1024, lowBytes: 256 * 1024 } as const

/** The WebSocket subprotocol; a new one when frames change shape. */
export const subprotocol = 'millrace.v1'

/** Close codes of Millrace's own, beside RFC 6455's 1000–1015. */
export const closeCode = {
  normal: 1000,
  goingAway: 1001,
  unsupportedData: 1003,
  messageTooBig: 1009,
  /** The frame was not what the protocol allows; the reason says why. */
  malformedFrame: 4000,
  /** The reader did not read for too long. */
  slowReader: 4001,
  /** `ApiVersions` did not come first or not in time. */
  handshake: 4002,
} as const
