/**
 * The configs of a topic: Kafka's names, types, defaults and bounds, in the one table from which validation, the
 * effective value, `DescribeConfigs` and docs/CONFIGURATION.md come. Each key has a twin among the broker's keys, whose
 * value is the default for topics that do not set their own. Values are text, as Kafka has them.
 */
import type { Failure } from '../protocol/errors.ts'
import { dayMs, GiB, KiB, MiB } from '../util/units.ts'

export type TopicConfigType =
  | {
      readonly kind: 'integer'
      readonly min: number
      readonly max: number
      readonly unit: 'bytes' | 'ms' | 'count'
      /** A number outside the range that stands for a rule instead of a value. */
      readonly rule?: number
    }
  /** `later` names what Kafka also knows and Millrace refuses with a sentence of its own. */
  | { readonly kind: 'one-of'; readonly values: readonly string[]; readonly later: Readonly<Record<string, string>> }

export interface TopicConfigSpec {
  readonly key: string
  /** The broker's key that holds the default. */
  readonly brokerKey: string
  readonly type: TopicConfigType
  readonly default: string
  /** One sentence or two for the reader of a table. */
  readonly doc: string
}

const int32Max = 2 ** 31 - 1
const bytes = (min: number, max: number): TopicConfigType => ({ kind: 'integer', min, max, unit: 'bytes' })
const ms = (min: number): TopicConfigType => ({ kind: 'integer', min, max: Number.MAX_SAFE_INTEGER, unit: 'ms' })
const oneOf = (values: readonly string[], later: Readonly<Record<string, string>> = {}): TopicConfigType => ({
  kind: 'one-of',
  values,
  later,
})

/** `min.insync.replicas`: half of the replicas of the partition, rounded up. */
export const halfOfReplicas = -1

const recompressing = 'the broker stores batches as their producer compressed them; compress in the producer'

export const topicConfigs: readonly TopicConfigSpec[] = [
  {
    key: 'cleanup.policy',
    brokerKey: 'log.cleanup.policy',
    type: oneOf(['delete'], {
      compact: 'log compaction is not available in this version',
      'compact,delete': 'log compaction is not available in this version',
      'delete,compact': 'log compaction is not available in this version',
    }),
    default: 'delete',
    doc: 'What happens to old segments. `delete`: removed by `retention.ms` and `retention.bytes`.',
  },
  {
    key: 'compression.type',
    brokerKey: 'compression.type',
    type: oneOf(['producer'], {
      uncompressed: recompressing,
      gzip: recompressing,
      snappy: recompressing,
      lz4: recompressing,
      zstd: recompressing,
    }),
    default: 'producer',
    doc: 'Compression of stored batches. `producer`: as the producer sent them.',
  },
  {
    key: 'flush.policy',
    brokerKey: 'log.flush.policy',
    type: oneOf(['sync', 'os']),
    default: 'sync',
    doc: 'When an append counts as durable. `sync`: after fdatasync; `os`: once it is in the page cache.',
  },
  {
    key: 'index.interval.bytes',
    brokerKey: 'log.index.interval.bytes',
    type: bytes(0, int32Max),
    default: String(4 * KiB),
    doc: 'Log bytes between two entries of the offset index.',
  },
  {
    key: 'max.message.bytes',
    brokerKey: 'message.max.bytes',
    type: bytes(256, GiB),
    default: String(MiB + 12),
    doc: 'The largest record batch the topic takes, as it is sent (after compression).',
  },
  {
    key: 'message.timestamp.type',
    brokerKey: 'log.message.timestamp.type',
    type: oneOf(['CreateTime', 'LogAppendTime']),
    default: 'CreateTime',
    doc: 'Whose time a record carries: the producer’s, or the broker’s at the append.',
  },
  {
    key: 'min.insync.replicas',
    brokerKey: 'min.insync.replicas',
    type: { kind: 'integer', min: 1, max: int32Max, unit: 'count', rule: halfOfReplicas },
    default: String(halfOfReplicas),
    doc: 'In-sync replicas that must have a batch before it counts as committed; with fewer, acks=all is refused. -1: half of the replicas, rounded up (2 of 3); never more than there are. The same on every node.',
  },
  {
    key: 'retention.bytes',
    brokerKey: 'log.retention.bytes',
    type: bytes(-1, Number.MAX_SAFE_INTEGER),
    default: '-1',
    doc: 'Size of a partition above which its oldest segments are deleted; -1: no limit.',
  },
  {
    key: 'retention.ms',
    brokerKey: 'log.retention.ms',
    type: ms(-1),
    default: String(7 * dayMs),
    doc: 'Age above which segments are deleted; -1: no limit.',
  },
  {
    key: 'segment.bytes',
    brokerKey: 'log.segment.bytes',
    type: bytes(KiB, int32Max),
    default: String(GiB),
    doc: 'Size at which a segment is closed and the next one begun; also the largest batch a log can hold.',
  },
  {
    key: 'segment.index.bytes',
    brokerKey: 'log.index.size.max.bytes',
    type: bytes(12, int32Max),
    default: String(10 * MiB),
    doc: 'Size of an index file at which its segment is closed.',
  },
  {
    key: 'segment.ms',
    brokerKey: 'log.roll.ms',
    type: ms(1),
    default: String(7 * dayMs),
    doc: 'Age at which a segment is closed even if it is not full, so that retention can delete it.',
  },
  {
    key: 'unclean.leader.election.enable',
    brokerKey: 'unclean.leader.election.enable',
    type: oneOf(['true', 'false']),
    default: 'false',
    doc: 'When no replica that has every acknowledged record is alive, let another one lead: the partition is there, and what that one lacks is lost. The same on every node.',
  },
]

const specsByKey: ReadonlyMap<string, TopicConfigSpec> = new Map(topicConfigs.map(spec => [spec.key, spec]))

/** The typed form; the fields a log needs have the names of its `LogConfig`. -1 means no limit where the table says so. */
export interface ResolvedTopicConfig {
  readonly cleanupPolicy: 'delete'
  readonly compressionType: 'producer'
  readonly flushPolicy: 'sync' | 'os'
  readonly indexIntervalBytes: number
  readonly maxMessageBytes: number
  /** `message.timestamp.type` in the log's words: `create` or `log-append`. */
  readonly timestampType: 'create' | 'log-append'
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime'
  /** As it is set: see `effectiveMinIsr`. */
  readonly minInsyncReplicas: number
  readonly retentionBytes: number
  readonly retentionMs: number
  readonly segmentBytes: number
  readonly segmentIndexBytes: number
  readonly segmentMs: number
  /** `unclean.leader.election.enable` */
  readonly isUncleanAllowed: boolean
}

/** `null` when `value` may be set for `key`; otherwise `INVALID_CONFIG` with the key, the value and what was expected. */
export function validateTopicConfig(key: string, value: string): Failure | null {
  const spec = specsByKey.get(key)
  if (spec === undefined) return { error: 'INVALID_CONFIG', message: `Unknown topic config ${key}.` }
  const fault = topicConfigFault(spec, value)
  return fault === null ? null : { error: 'INVALID_CONFIG', message: `${key}=${value}: ${fault}.` }
}

/** What is wrong with `value`, as a clause without the key, or `null`. */
export function topicConfigFault(spec: TopicConfigSpec, value: string): string | null {
  const { type } = spec
  if (type.kind === 'one-of') {
    if (type.values.includes(value)) return null
    if (Object.hasOwn(type.later, value)) return type.later[value]!
    return `expected ${type.values.join(' or ')}`
  }
  const number = /^-?\d{1,16}$/.test(value) ? Number(value) : Number.NaN
  if (Number.isSafeInteger(number) && number >= type.min && number <= type.max) return null
  if (Number.isSafeInteger(number) && number === type.rule) return null
  const unit = type.unit === 'count' ? '' : ` (${type.unit})`
  const rule = type.rule === undefined ? '' : `, or ${type.rule}`
  return `expected an integer from ${type.min} to ${type.max}${unit}${rule}`
}

/**
 * The effective configs: the topic's own value, else the broker's under the twin key, else the default. Both maps have
 * been validated; what they hold beyond the table is ignored.
 */
export function resolveTopicConfig(
  overrides: ReadonlyMap<string, string>,
  brokerDefaults: ReadonlyMap<string, string>,
): ResolvedTopicConfig {
  const text = (key: string): string => effectiveTopicConfig(specsByKey.get(key)!, overrides, brokerDefaults).value
  const integer = (key: string): number => Number(text(key))
  const messageTimestampType = text('message.timestamp.type') as 'CreateTime' | 'LogAppendTime'
  return {
    cleanupPolicy: text('cleanup.policy') as 'delete',
    compressionType: text('compression.type') as 'producer',
    flushPolicy: text('flush.policy') as 'sync' | 'os',
    indexIntervalBytes: integer('index.interval.bytes'),
    maxMessageBytes: integer('max.message.bytes'),
    timestampType: messageTimestampType === 'CreateTime' ? 'create' : 'log-append',
    messageTimestampType,
    minInsyncReplicas: integer('min.insync.replicas'),
    retentionBytes: integer('retention.bytes'),
    retentionMs: integer('retention.ms'),
    segmentBytes: integer('segment.bytes'),
    segmentIndexBytes: integer('segment.index.bytes'),
    segmentMs: integer('segment.ms'),
    isUncleanAllowed: text('unclean.leader.election.enable') === 'true',
  }
}

/** One effective value and where it comes from, in the words of `DescribeConfigs`. */
export function effectiveTopicConfig(
  spec: TopicConfigSpec,
  overrides: ReadonlyMap<string, string>,
  brokerDefaults: ReadonlyMap<string, string>,
): { readonly value: string; readonly source: 'topic' | 'broker-static' | 'default' } {
  const own = overrides.get(spec.key)
  if (own !== undefined) return { value: own, source: 'topic' }
  const inherited = brokerDefaults.get(spec.brokerKey)
  if (inherited !== undefined) return { value: inherited, source: 'broker-static' }
  return { value: spec.default, source: 'default' }
}
