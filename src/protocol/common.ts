/** Types and limits that several requests share. */
import type { Infer } from './schema.ts'
import { array, bytes, either, field, int8, int16, int32, int64, nullable, prose, string, struct } from './schema.ts'

/** Hard limits of the wire format; configuration may only lower them. Depth and count of a frame: prescan.ts. */
export const limits = {
  /** A whole message. Leaves room for an envelope around the largest `recordsBytes`. */
  frameBytes: 65 * 1024 * 1024,
  topicNameLength: 249,
  clientIdLength: 255,
  configKeyLength: 255,
  configValueLength: 4096,
  errorMessageLength: 4096,
  urlLength: 2048,
  rackLength: 255,
  /** Topics, partitions, configs or brokers in one request. */
  items: 10_000,
  /** The same in a response, which may list a whole cluster. */
  responseItems: 200_000,
  replicas: 128,
  recordsBytes: 64 * 1024 * 1024,
  plainRecords: 10_000,
  plainHeaders: 1_000,
} as const

export const topicName = string({ lengthMax: limits.topicNameLength })
/** Kafka's text form of a UUID: 22 characters of base64url. */
export const topicId = string({ lengthMax: 22 })
export const errorMessage = nullable(prose({ lengthMax: limits.errorMessageLength }))
export const errorCodeField = field(int16, 'Error of this item; 0 when it went well.')
export const errorMessageField = field(errorMessage, 'What this error means here; nil when it went well.')

export const configEntry = struct({
  key: field(string({ lengthMax: limits.configKeyLength }), 'Config name, as in Kafka.'),
  value: field(string({ lengthMax: limits.configValueLength }), 'Value as text.'),
})

/**
 * Names one attempt of a client that changes metadata. A request retried with the same pair is applied once and gets
 * the first answer again (Raft, section 8; thesis, section 6.3).
 */
export const clientSession = struct({
  clientId: field(string({ lengthMax: limits.clientIdLength }), 'Random, chosen once per client instance.'),
  requestId: field(int64, 'Rises with every new request of that client; the same for a retry.'),
})
export const sessionField = field(nullable(clientSession), 'Identity of the attempt; nil gives up exactly-once for it.')

const plainBytes = nullable(
  either(
    bytes({ lengthMax: limits.recordsBytes }),
    string({ lengthMax: limits.recordsBytes }),
    value => value instanceof Uint8Array,
  ),
)
const plainHeader = struct({
  name: field(string({ lengthMax: 65_535 }), 'Header name.'),
  value: field(plainBytes, 'Header value: bin, str (UTF-8) or nil.'),
})

/** A record as plain MessagePack, for clients that have only a MessagePack library. */
export const plainRecordIn = struct({
  key: field(plainBytes, 'bin, str (UTF-8) or nil.'),
  value: field(plainBytes, 'bin, str (UTF-8) or nil (a tombstone).'),
  headers: field(array(plainHeader, { countMax: limits.plainHeaders }), 'Pairs [name, value].'),
  timestamp: field(nullable(int64), 'Milliseconds since 1970; nil for now.'),
})
/** Wider than `plainRecordIn`: a record that came in a batch may have more and longer headers. */
export const plainRecordOut = struct({
  offset: field(int64, 'Offset in the partition.'),
  timestamp: field(int64, 'Milliseconds since 1970.'),
  key: field(plainBytes, 'bin or nil.'),
  value: field(plainBytes, 'bin or nil.'),
  headers: field(
    array(
      struct({
        name: field(string({ lengthMax: limits.recordsBytes }), 'Header name.'),
        value: field(plainBytes, 'bin or nil.'),
      }),
      { countMax: limits.responseItems },
    ),
    'Pairs [name, value].',
  ),
})

const isBatches = (value: unknown): boolean => value instanceof Uint8Array
export type PlainRecordIn = Infer<typeof plainRecordIn>
export type PlainRecordOut = Infer<typeof plainRecordOut>

/** One or more record batches of format v2, back to back. */
export const recordBatches = bytes({ lengthMax: limits.recordsBytes })
export const recordsIn = either(recordBatches, array(plainRecordIn, { countMax: limits.plainRecords }), isBatches)
export const recordsOut = either(recordBatches, array(plainRecordOut, { countMax: limits.plainRecords }), isBatches)

export const nodeIds = array(int32, { countMax: limits.replicas })
/** Of requests that only look: how current the answer must be. */
export const readTimeoutField = field(
  int32,
  'Above 0: show everything that any node had acknowledged before the request, or refuse after so many milliseconds (REQUEST_TIMED_OUT, NOT_CONTROLLER). 0: show what this node has.',
  { since: 1, whenAbsent: 0 },
)
export const partitionField = field(int32, 'Partition, from 0.')
export const topicField = field(topicName, 'Topic name.')
export const topicIdField = field(
  nullable(topicId),
  'When given, must be the id of the topic of that name: guards against a re-created topic.',
)
export const leaderEpochField = field(
  int32,
  'Leader epoch the client knows, -1 for none: a stale one is fenced (KIP-320).',
)
export const isolationLevel = int8
