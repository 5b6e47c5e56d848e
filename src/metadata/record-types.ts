/**
 * The table of metadata records: every change the controller can make to a cluster. A record is stored as
 * `[code, version, body]`, the body a positional array by the schema here, so types, validation and docs come from one
 * place. Codes and the order of fields are for ever; a new field gets `since` and raises `version`.
 */
import { limits, topicId, topicName } from '../protocol/common.ts'
import type { Infer, StructType, Type } from '../protocol/schema.ts'
import {
  array,
  boolean,
  bytes,
  field,
  int16,
  int32,
  int64,
  nullable,
  oneOf,
  string,
  struct,
} from '../protocol/schema.ts'
import type { BrokerEpoch, LeaderEpoch, NodeId } from '../util/numbers.ts'

/** Highest feature level this code can replay. A record that asks for more stops the node. */
export const featureLevelMax = 1

/** Bytes of responses one session record may carry: a full response of the largest request stays below. */
export const sessionResponseBytesMax = 16 * 1024 * 1024

const nodeId = int32 as Type<number> as Type<NodeId>
const brokerEpoch = int64 as Type<number> as Type<BrokerEpoch>
const leaderEpoch = int32 as Type<number> as Type<LeaderEpoch>
const nodeIdList = array(nodeId, { countMax: limits.replicas })
const clientId = string({ lengthMax: limits.clientIdLength })
const topicIdField = field(topicId, 'Topic id.')
const partitionField = field(int32, 'Partition, from 0.')

/** `leaderId` of a partition change: there is no leader now. */
export const noLeader = -1 as NodeId

/** `uncleanEpoch` of a partition whose leaders were all elected from the in-sync or eligible. */
export const neverUnclean = -1 as LeaderEpoch

export const recordTypes = {
  bootstrap: recordType(1, 0, 'The first record of a cluster.', {
    clusterId: field(string({ lengthMax: 64 }), 'Cluster id, for ever.'),
    featureLevel: field(int32, 'Feature level the cluster starts with.'),
  }),
  registerBroker: recordType(2, 2, 'A broker started, or its whole state in a snapshot.', {
    nodeId: field(nodeId, 'Broker.'),
    epoch: field(brokerEpoch, 'Its epoch: the offset of the record of its registration.'),
    incarnationId: field(string({ lengthMax: 64 }), 'New with each start of the process.'),
    url: field(string({ lengthMax: limits.urlLength }), 'Where clients reach it.'),
    rack: field(nullable(string({ lengthMax: limits.rackLength })), 'Its rack.'),
    isFenced: field(boolean, 'Not to be used: not heard of.'),
    isDraining: field(boolean, 'To lead nothing that others can.'),
    peerUrl: field(nullable(string({ lengthMax: limits.urlLength })), 'Where other nodes reach it; nil: nowhere.', {
      since: 1,
      whenAbsent: null,
    }),
    isUnfit: field(boolean, 'To be in sync and to lead only where nobody else can.', { since: 2, whenAbsent: false }),
  }),
  unregisterBroker: recordType(3, 0, 'A broker is gone for good.', {
    nodeId: field(nodeId, 'Broker.'),
    epoch: field(brokerEpoch, 'Its epoch.'),
  }),
  brokerChange: recordType(4, 1, 'What the cluster holds of a broker changed.', {
    nodeId: field(nodeId, 'Broker.'),
    epoch: field(brokerEpoch, 'Its epoch.'),
    isFenced: field(nullable(boolean), 'New value; nil: as it was.'),
    isDraining: field(nullable(boolean), 'New value; nil: as it was.'),
    isUnfit: field(nullable(boolean), 'New value; nil: as it was.', { since: 1, whenAbsent: null }),
  }),
  topic: recordType(5, 0, 'A topic, without partitions yet.', {
    topicId: topicIdField,
    name: field(topicName, 'Its name.'),
  }),
  removeTopic: recordType(6, 0, 'A topic is gone, with its partitions and configs.', { topicId: topicIdField }),
  partition: recordType(7, 2, 'A new partition, the next of its topic, or its whole state in a snapshot.', {
    topicId: topicIdField,
    partition: partitionField,
    replicas: field(nodeIdList, 'All replicas, the preferred leader first.'),
    isr: field(nodeIdList, 'In-sync replicas.'),
    elr: field(nodeIdList, 'Eligible leader replicas (KIP-966).'),
    addingReplicas: field(nodeIdList, 'Replicas a reassignment adds.'),
    removingReplicas: field(nodeIdList, 'Replicas a reassignment removes.'),
    leaderId: field(nullable(nodeId), 'Leader; nil for none.'),
    leaderEpoch: field(leaderEpoch, 'Its epoch.'),
    partitionEpoch: field(int32, 'Epoch of the whole partition.'),
    uncleanEpoch: field(leaderEpoch, 'Leader epoch of the last unclean election; -1: there was none.', {
      since: 1,
      whenAbsent: neverUnclean,
    }),
    offlineReplicas: field(nodeIdList, 'Replicas that the disk of their broker failed.', { since: 2, whenAbsent: [] }),
  }),
  partitionChange: recordType(8, 2, 'A partition changed: its partition epoch rises by one.', {
    topicId: topicIdField,
    partition: partitionField,
    leaderId: field(
      nullable(nodeId),
      'New leader, -1 for none; the leader epoch rises by one even if it is the old one. Nil: as it was.',
    ),
    replicas: field(nullable(nodeIdList), 'New value; nil: as it was.'),
    isr: field(nullable(nodeIdList), 'New value; nil: as it was.'),
    elr: field(nullable(nodeIdList), 'New value; nil: as it was.'),
    addingReplicas: field(nullable(nodeIdList), 'New value; nil: as it was.'),
    removingReplicas: field(nullable(nodeIdList), 'New value; nil: as it was.'),
    isUnclean: field(boolean, 'The new leader was neither in sync nor eligible: it may lack committed records.', {
      since: 1,
      whenAbsent: false,
    }),
    offlineReplicas: field(nullable(nodeIdList), 'New value; nil: as it was.', { since: 2, whenAbsent: null }),
  }),
  config: recordType(9, 0, 'A dynamic config was set or deleted.', {
    resourceType: field(oneOf('topic', 'broker'), 'Kind of resource.'),
    resource: field(string({ lengthMax: 64 }), 'Topic id, or node id as text.'),
    key: field(string({ lengthMax: limits.configKeyLength }), 'Config name.'),
    value: field(nullable(string({ lengthMax: limits.configValueLength })), 'Value; nil: deleted.'),
  }),
  featureLevel: recordType(10, 0, 'The cluster may use the features of this level.', {
    level: field(int32, 'Feature level.'),
  }),
  session: recordType(11, 0, "A client's latest request and its answer: replayed with the changes it answers.", {
    clientId: field(clientId, 'Client.'),
    requestId: field(int64, 'Its request.'),
    apiKey: field(int16, 'The API of the request.'),
    apiVersion: field(int16, 'Version the response is encoded in.'),
    response: field(bytes({ lengthMax: sessionResponseBytesMax }), 'Encoded response body.'),
    evictedClientIds: field(array(clientId, { countMax: 100_000 }), 'Clients forgotten to make room, oldest first.'),
  }),
} as const

export type RecordTypes = typeof recordTypes
export type RecordKind = keyof RecordTypes
export type RecordOf<K extends RecordKind> = { readonly kind: K } & Frozen<Infer<RecordTypes[K]['body']>>
/** One change to the cluster. */
export type MetadataRecord = { [K in RecordKind]: RecordOf<K> }[RecordKind]

type Frozen<Body> = { readonly [F in keyof Body]: FrozenList<Body[F]> }
type FrozenList<T> = T extends (infer Item)[] ? readonly Item[] : T

interface RecordType<Body> {
  /** On disk. Never reused. */
  readonly code: number
  /** The version written today; every version up to it can be read. */
  readonly version: number
  readonly doc: string
  readonly body: Body
}

function recordType<F extends Parameters<typeof struct>[0]>(
  code: number,
  version: number,
  doc: string,
  fields: F,
): RecordType<ReturnType<typeof struct<F>>> {
  return { code, version, doc, body: struct(fields) }
}

/** What is needed to read any record without knowing its type. */
export interface AnyRecordType {
  readonly kind: RecordKind
  readonly code: number
  readonly version: number
  readonly body: StructType<unknown>
}

const anyTypes: readonly AnyRecordType[] = Object.entries(recordTypes).map(([kind, type]) => ({
  kind: kind as RecordKind,
  code: type.code,
  version: type.version,
  body: type.body as StructType<unknown>,
}))
const typesByCode: ReadonlyMap<number, AnyRecordType> = new Map(anyTypes.map(type => [type.code, type]))
const typesByKind: ReadonlyMap<RecordKind, AnyRecordType> = new Map(anyTypes.map(type => [type.kind, type]))

export const recordTypeByCode = (code: number): AnyRecordType | undefined => typesByCode.get(code)
export const recordTypeByKind = (kind: RecordKind): AnyRecordType => typesByKind.get(kind)!
