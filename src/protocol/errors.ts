/**
 * The closed table of expected outcomes. Names and codes are Kafka's (clients/…/protocol/Errors); codes from 1000 on
 * are Millrace's own. `retriable`: the same request may succeed later. `refreshMetadata`: the client's view of the
 * cluster is out of date.
 */
export interface ErrorSpec {
  readonly code: number
  readonly retriable: boolean
  readonly refreshMetadata: boolean
  readonly message: string
}

const final = (code: number, message: string): ErrorSpec => ({
  code,
  retriable: false,
  refreshMetadata: false,
  message,
})
const retry = (code: number, message: string): ErrorSpec => ({ code, retriable: true, refreshMetadata: false, message })
const stale = (code: number, message: string): ErrorSpec => ({ code, retriable: true, refreshMetadata: true, message })

export const errorTable = {
  UNKNOWN_SERVER_ERROR: final(-1, 'The server met an error it did not expect; its log says more.'),
  OFFSET_OUT_OF_RANGE: final(1, 'The offset is below the log start or above the high watermark.'),
  CORRUPT_MESSAGE: final(2, 'The record batch failed its CRC, its length or its structure.'),
  UNKNOWN_TOPIC_OR_PARTITION: stale(3, 'There is no such topic or partition, or this node does not host it.'),
  LEADER_NOT_AVAILABLE: stale(5, 'The partition has no leader at the moment.'),
  NOT_LEADER_OR_FOLLOWER: stale(6, 'This node is not the leader of the partition.'),
  REQUEST_TIMED_OUT: retry(7, 'The request was not done within its timeout; it may still be done.'),
  REPLICA_NOT_AVAILABLE: stale(9, 'The replica is not available, or does not know yet what is committed.'),
  MESSAGE_TOO_LARGE: final(10, 'The record batch is larger than max.message.bytes.'),
  NETWORK_EXCEPTION: retry(13, 'The connection closed before the answer came; the request may have been done.'),
  INVALID_TOPIC_EXCEPTION: final(17, 'Topic names are 1 to 249 of [a-zA-Z0-9._-], and not "." or "..".'),
  RECORD_LIST_TOO_LARGE: final(18, 'The record batch is larger than a segment.'),
  NOT_ENOUGH_REPLICAS: retry(19, 'Fewer in-sync replicas than min.insync.replicas.'),
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: retry(20, 'Appended, but the in-sync replicas fell below min.insync.replicas.'),
  INVALID_REQUIRED_ACKS: final(21, 'acks must be 0, 1 or -1 (all).'),
  TOPIC_AUTHORIZATION_FAILED: final(29, 'Not authorised for this topic.'),
  CLUSTER_AUTHORIZATION_FAILED: final(31, 'Not authorised for this cluster operation.'),
  INVALID_TIMESTAMP: final(32, 'The timestamp of a record is out of the accepted range.'),
  UNSUPPORTED_VERSION: final(35, 'The node does not know this API or this version of it.'),
  TOPIC_ALREADY_EXISTS: final(36, 'A topic of this name already exists.'),
  INVALID_PARTITIONS: final(37, 'The number of partitions is not acceptable.'),
  INVALID_REPLICATION_FACTOR: final(38, 'The replication factor is below 1 or above the number of available brokers.'),
  INVALID_REPLICA_ASSIGNMENT: final(39, 'The replica assignment is not acceptable.'),
  INVALID_CONFIG: final(40, 'A configuration key is unknown or its value is not acceptable.'),
  NOT_CONTROLLER: stale(41, 'This node is not the active controller.'),
  INVALID_REQUEST: final(42, 'The request does not make sense; the message says why.'),
  UNSUPPORTED_FOR_MESSAGE_FORMAT: final(43, 'Only record batches of format version 2 are accepted.'),
  POLICY_VIOLATION: final(44, 'The request breaks a policy of this cluster.'),
  OUT_OF_ORDER_SEQUENCE_NUMBER: final(45, 'The producer sequence is not the next one.'),
  INVALID_PRODUCER_EPOCH: final(47, 'The producer epoch is older than the newest one.'),
  OPERATION_NOT_ATTEMPTED: retry(55, 'A batch before this one, of the same partition and connection, was refused.'),
  KAFKA_STORAGE_ERROR: stale(56, 'The disk failed; the partition is offline on this node.'),
  INVALID_FETCH_SIZE: final(4, 'The fetch size is negative.'),
  REASSIGNMENT_IN_PROGRESS: final(60, 'A reassignment of the partition is in progress.'),
  FENCED_LEADER_EPOCH: stale(74, 'The leader epoch in the request is older than the current one.'),
  UNKNOWN_LEADER_EPOCH: retry(75, 'The leader epoch in the request is newer than this node knows.'),
  UNSUPPORTED_COMPRESSION_TYPE: final(76, 'The compression codec is not available here.'),
  STALE_BROKER_EPOCH: final(77, 'The broker epoch is not the current one.'),
  OFFSET_NOT_AVAILABLE: retry(78, 'The leader is new and does not know yet how far the log is committed.'),
  PREFERRED_LEADER_NOT_AVAILABLE: final(80, 'The preferred leader is not available or not in sync.'),
  ELIGIBLE_LEADERS_NOT_AVAILABLE: retry(83, 'No replica that may lead is available.'),
  ELECTION_NOT_NEEDED: final(84, 'The partition has the leader it should have.'),
  NO_REASSIGNMENT_IN_PROGRESS: final(85, 'No reassignment of the partition is in progress.'),
  INVALID_RECORD: final(87, 'A record is malformed or not acceptable for this topic.'),
  RESOURCE_NOT_FOUND: final(91, 'There is no such resource.'),
  DUPLICATE_RESOURCE: final(92, 'The request names a resource twice.'),
  INVALID_UPDATE_VERSION: final(95, 'The epoch of the partition in the request is not the current one.'),
  UNKNOWN_TOPIC_ID: stale(100, 'No topic has this id; it may have been deleted and created anew.'),
  DUPLICATE_BROKER_REGISTRATION: final(101, 'Another running broker has this node.id.'),
  BROKER_ID_NOT_REGISTERED: final(102, 'No broker of this id is registered.'),
  INELIGIBLE_REPLICA: retry(107, 'A replica of the new ISR is fenced, draining or registered anew.'),
  INCONSISTENT_CLUSTER_ID: final(104, 'The request is meant for another cluster.'),
  DUPLICATE_VOTER: final(126, 'This node is a voter already.'),
  VOTER_NOT_FOUND: final(127, 'This node is not a voter.'),
  THROTTLING_QUOTA_EXCEEDED: retry(89, 'The quota is used up; try again later.'),
  DISK_FULL: stale(
    1000,
    'The disk has no room left; nothing was appended. Writes resume when space returns or another leads.',
  ),
  BROKER_OVERLOADED: retry(1001, 'The node is holding as many bytes in flight as it may.'),
  SHUTTING_DOWN: stale(1002, 'The node is shutting down.'),
  LOG_TRUNCATED: final(1003, 'Records that a consumer has read are not in the log any more. Said by the client only.'),
} as const satisfies Record<string, ErrorSpec>

export type ErrorName = keyof typeof errorTable

const namesByCode = new Map<number, ErrorName>(
  Object.entries(errorTable).map(([name, spec]) => [spec.code, name as ErrorName]),
)

/** 0 on the wire means no error. */
export const noError = 0

export function errorCode(name: ErrorName): number {
  return errorTable[name].code
}

/** The name for a code a peer sent; a code this version does not know is `UNKNOWN_SERVER_ERROR`. `null` for 0. */
export function errorName(code: number): ErrorName | null {
  if (code === noError) return null
  return namesByCode.get(code) ?? 'UNKNOWN_SERVER_ERROR'
}

/** An expected outcome with the sentence that explains this case. */
export interface Failure {
  readonly error: ErrorName
  readonly message: string
}

/** Tells a `Failure` from what a checking function returns when all is well. */
export function isFailure(value: unknown): value is Failure {
  return (
    typeof value === 'object' && value !== null && 'error' in value && Object.hasOwn(errorTable, value.error as string)
  )
}

/** An expected outcome on its way through code that throws: handlers and the client turn it back into a value. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ErrorName
  constructor(code: ErrorName, message: string = errorTable[code].message, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  get errorCode(): number {
    return errorTable[this.code].code
  }

  get isRetriable(): boolean {
    return errorTable[this.code].retriable
  }
}
