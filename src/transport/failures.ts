/** What becomes of an error a handler threw: the code its client sees, and whether the node may live on. */
import { ApiError, type ErrorName, errorTable } from '../protocol/errors.ts'
import { ProtocolError } from '../protocol/protocol-error.ts'
import { AbortError, AssertionError, StorageError } from '../util/errors.ts'

export interface RequestFailure {
  readonly code: ErrorName
  readonly errorCode: number
  readonly message: string
  /** Part of the protocol: no reason for a line in the log. */
  readonly isExpected: boolean
}

/** A broken invariant, or a disk of which nothing is known any more: the process must end (FAULTS F5, fsyncgate). */
export function isFatal(error: unknown): error is Error {
  return error instanceof AssertionError || error instanceof StorageError
}

export function failureOf(error: unknown): RequestFailure {
  if (error instanceof ApiError) return failure(error.code, error.message, true)
  if (error instanceof ProtocolError) return failure('INVALID_REQUEST', error.message, true)
  if (error instanceof StorageError)
    return failure('KAFKA_STORAGE_ERROR', errorTable.KAFKA_STORAGE_ERROR.message, false)
  if (error instanceof AbortError) return failure('SHUTTING_DOWN', errorTable.SHUTTING_DOWN.message, true)
  // What went wrong inside is for the log, not for whoever is connected.
  return failure('UNKNOWN_SERVER_ERROR', errorTable.UNKNOWN_SERVER_ERROR.message, false)
}

function failure(code: ErrorName, message: string, isExpected: boolean): RequestFailure {
  return { code, errorCode: errorTable[code].code, message: message.slice(0, 1_000), isExpected }
}
