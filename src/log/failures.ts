/** What the log throws, and how it tells a full disk from a broken one. */
import { ApiError } from '../protocol/errors.ts'
import { CorruptionError, StorageError } from '../util/errors.ts'

/** True for a write that failed only because there is no room: the one failure after which a log may go on. */
export function isNoSpace(error: unknown): boolean {
  if (!(error instanceof StorageError)) return false
  const code = (error.cause as { code?: unknown } | undefined)?.code
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** What a log may go offline for. Anything else (an assertion, above all) is thrown on: it must end the process. */
export function diskError(thrown: unknown): Error {
  if (thrown instanceof StorageError || thrown instanceof CorruptionError) return thrown
  throw thrown
}

export function storageFailure(cause: Error): ApiError {
  return new ApiError('KAFKA_STORAGE_ERROR', `the log is offline: ${cause.message}`, { cause })
}

export function diskFull(): ApiError {
  return new ApiError('DISK_FULL')
}

export function outOfRange(offset: number, startOffset: number, endOffset: number): ApiError {
  return new ApiError('OFFSET_OUT_OF_RANGE', `offset ${offset} is outside [${startOffset}, ${endOffset}]`)
}

export function closed(): ApiError {
  return new ApiError('SHUTTING_DOWN', 'the log is closed')
}

export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
