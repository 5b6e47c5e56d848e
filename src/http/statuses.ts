/** Which HTTP status an error of the protocol is answered with. */
import { type ErrorName, errorTable, type Failure } from '../protocol/errors.ts'

/**
 * What is not here is 503 when the same request may succeed later, else 400. A status that intermediaries repeat a request
 * upon (503) is only given where nothing was stored; where that is not known it is 502 or 504.
 */
const statuses: Partial<Record<ErrorName, number>> = {
  UNKNOWN_SERVER_ERROR: 500,
  KAFKA_STORAGE_ERROR: 500,
  UNKNOWN_TOPIC_OR_PARTITION: 404,
  UNKNOWN_TOPIC_ID: 404,
  RESOURCE_NOT_FOUND: 404,
  TOPIC_AUTHORIZATION_FAILED: 403,
  CLUSTER_AUTHORIZATION_FAILED: 403,
  MESSAGE_TOO_LARGE: 413,
  RECORD_LIST_TOO_LARGE: 413,
  OFFSET_OUT_OF_RANGE: 416,
  THROTTLING_QUOTA_EXCEEDED: 429,
  DISK_FULL: 507,
  NETWORK_EXCEPTION: 502,
  REQUEST_TIMED_OUT: 504,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 504,
  // The leader changed while an append waited to be acknowledged.
  FENCED_LEADER_EPOCH: 504,
}

export function statusOf(error: ErrorName): number {
  return statuses[error] ?? (errorTable[error].retriable ? 503 : 400)
}

/** The body of an answer that is an error, and the fields of one that failed among others. */
export interface ErrorBody {
  readonly error: ErrorName
  readonly message: string
  /** The same request may succeed later. */
  readonly retriable: boolean
}

export function errorBody({ error, message }: Failure): ErrorBody {
  return { error, message, retriable: errorTable[error].retriable }
}
