/**
 * Errors of one partition as values in its part of the answer, so that the other partitions of the request, and of the
 * node, go on. What is none of these is rethrown: a broken invariant ends the process.
 */
import { ApiError, type Failure } from '../protocol/errors.ts'
import { ProtocolError } from '../protocol/protocol-error.ts'
import { CorruptionError, StorageError } from '../util/errors.ts'

export function partitionFailure(error: unknown): Failure {
  if (error instanceof ApiError) return { error: error.code, message: error.message }
  if (error instanceof StorageError || error instanceof CorruptionError) {
    return { error: 'KAFKA_STORAGE_ERROR', message: error.message }
  }
  if (error instanceof ProtocolError) return { error: 'CORRUPT_MESSAGE', message: error.message }
  throw error
}
