/** A request between the call that made it and whatever ends it: an answer, a deadline, an abort, a lost connection. */
import type { Api } from '../protocol/api.ts'

export interface PendingRequest {
  readonly api: Api
  readonly version: number
  readonly correlationId: number
  readonly timeoutMs: number
  readonly deadlineMs: number
  readonly sizeBytes: number
  /** In one part or, if its bytes are lent, in several; `null` once it was sent. */
  message: readonly Uint8Array[] | null
  /** Messages received when it was sent: none since then at its deadline means that the other end is gone. */
  receivedBefore: number
  /** Both `null` for a request that wants no answer, and once it is settled: what it was answered must not hang on it. */
  resolve: ((body: unknown) => void) | null
  reject: ((error: Error) => void) | null
  unwatch: (() => void) | null
  isSettled: boolean
}

/** Calls `onAbort` when `signal` aborts while the request is under way. */
export function watchAbort(pending: PendingRequest, signal: AbortSignal, onAbort: () => void): void {
  signal.addEventListener('abort', onAbort, { once: true })
  pending.unwatch = () => signal.removeEventListener('abort', onAbort)
}
