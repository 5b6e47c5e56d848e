/** What the log throws, and how it tells a full disk from a broken one. */
import { ApiError } from '../protocol/errors.ts'
import { StorageError } from '../util/errors.ts'

/** True for a write that failed only because there is no room: the one failure after which a log may go on. */
export function isNoSpace(error: unknown): boolean {
  if (!(error instanceof StorageError)) return false
  const code = (error.cause as { code?: unknown } | undefined)?.code
  return code === 'ENOSPC' || code === 'EDQUOT'
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
