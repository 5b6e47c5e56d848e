/** An answer between the handler that gave it and the socket that takes it: encoded only when there is room. */
import { encodeErrorResponse, encodeResponse } from '../protocol/frame.ts'
import { sizeOfParts } from '../util/bytes.ts'
import { failureOf, isFatal, type RequestFailure } from './failures.ts'
import type { ServedApi } from './handler-table.ts'
import type { ListenerCore } from './listener-core.ts'

export interface Answer {
  readonly served: ServedApi
  readonly version: number
  readonly correlationId: number
  readonly startedMs: number
  /** What the request holds of the in-flight budgets; 0 for one that was answered at once. */
  readonly chargedBytes: number
  /** The response's body; `null` for a request that wants no answer. Not looked at when there is an error. */
  readonly body: unknown
  readonly error: unknown
}

/**
 * The parts of the frame to send, or `null` for none. A body that does not encode is the server's failure, not the
 * client's.
 */
export function encodeAnswer(core: ListenerCore, remote: string, answer: Answer): readonly Uint8Array[] | null {
  const { served, version, correlationId, body } = answer
  let frame: readonly Uint8Array[]
  if (answer.error !== undefined) {
    frame = [encodeFailure(core, remote, answer, answer.error)]
  } else if (body === null) {
    return null
  } else {
    try {
      frame = encodeResponse(served.api, version, correlationId, body)
    } catch (error) {
      frame = [encodeFailure(core, remote, answer, error)]
    }
  }
  served.stats.bytesOut += sizeOfParts(frame)
  served.stats.observeLatency(core.clock.nowMs() - answer.startedMs)
  return frame
}

function encodeFailure(core: ListenerCore, remote: string, answer: Answer, error: unknown): Uint8Array {
  const failure = reportFailure(core, remote, answer.served, error)
  answer.served.stats.countError(failure.code)
  return encodeErrorResponse(answer.correlationId, failure.errorCode, failure.message)
}

/** Logs what nobody expected, and tells the node about what it must not survive. */
export function reportFailure(core: ListenerCore, remote: string, served: ServedApi, error: unknown): RequestFailure {
  const failure = failureOf(error)
  if (!failure.isExpected)
    core.logger.error({ api: served.api.name, remote, err: error }, 'a request failed unexpectedly')
  if (isFatal(error)) core.onFatal(error)
  return failure
}

/** A handler's answer that is still to come. Bodies are plain structs: none has a `then`. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
