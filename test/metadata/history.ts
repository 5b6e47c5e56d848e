/** Random histories of a small cluster, made by the decisions themselves: what the property tests run on. */
import fc from 'fast-check'
import { decideAlterConfigs } from '../../src/metadata/alter-configs.ts'
import { decideAlterPartition } from '../../src/metadata/alter-partition.ts'
import { decideAlterReassignments } from '../../src/metadata/alter-reassignments.ts'
import {
  decideDrainBroker,
  decideFence,
  decideHeard,
  decideOffline,
  decideRegisterBroker,
  decideShutdown,
} from '../../src/metadata/brokers.ts'
import { type ClusterImage, emptyImage } from '../../src/metadata/cluster-image.ts'
import { decideCreatePartitions } from '../../src/metadata/create-partitions.ts'
import { decideCreateTopics } from '../../src/metadata/create-topics.ts'
import { defaultLimits, type MetadataLimits, type TopicFacts } from '../../src/metadata/decision.ts'
import { decideDeleteTopics } from '../../src/metadata/delete-topics.ts'
import { decideElectLeaders } from '../../src/metadata/elect-leaders.ts'
import type { ElectionTerms } from '../../src/metadata/election.ts'
import type { BrokerImage } from '../../src/metadata/image.ts'
import type { MetadataRecord } from '../../src/metadata/record-types.ts'
import { replayAll } from '../../src/metadata/replay.ts'
import { soundDecisionRules } from '../../src/metadata/rules.ts'
import { type ClientSession, decideOnce } from '../../src/metadata/sessions.ts'
import type { RequestOf } from '../../src/protocol/api.ts'
import { type alterConfigs, createTopics, deleteTopics } from '../../src/protocol/apis/index.ts'
import { type Failure, isFailure } from '../../src/protocol/errors.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { uuidFrom } from '../../src/util/uuid.ts'

export type CreateTopicsRequest = RequestOf<typeof createTopics>
export type Topic = CreateTopicsRequest['topics'][number]
export type AlterConfigsRequest = RequestOf<typeof alterConfigs>

export const electionDefaults: ElectionTerms = { minInsyncReplicas: 1, isUncleanAllowed: false }
export const defaults = { numPartitions: 2, replicationFactor: 1, ...electionDefaults }
export const bootstrap: MetadataRecord = { kind: 'bootstrap', clusterId: 'cluster', featureLevel: 1 }

/** Those of a version that replicates partitions: what is decided about replicas is tested already. */
export const limitsWithReplicas: MetadataLimits = { ...defaultLimits, replicationFactorMax: 128 }

/** Facts with ids drawn from `seed`. */
export function topicFacts(seed: number, limits: Partial<MetadataLimits> = {}): TopicFacts {
  const random = seededRandom(seed)
  return {
    defaults,
    limits: { ...limitsWithReplicas, ...limits },
    placementStart: random.nextInt(1000),
    topicIds: Array.from({ length: 100 }, () => uuidFrom(random.nextBytes(16))),
  }
}

/** Two operations of a history may have one seed: what they create must not have one id. */
function unusedIds({ lastOffset }: ClusterImage): readonly string[] {
  return topicFacts(lastOffset).topicIds
}

/** A topic of a request, everything left to the defaults. */
export function topicRequest(name: string, rest: Partial<Topic> = {}): Topic {
  return { name, numPartitions: -1, replicationFactor: -1, assignments: null, configs: [], ...rest }
}

export function createRequest(...topics: Topic[]): CreateTopicsRequest {
  return { session: null, timeoutMs: 1000, validateOnly: false, topics }
}

export type Operation =
  | { kind: 'create'; topics: Topic[]; session: ClientSession | null; seed: number }
  | { kind: 'delete'; name: string; session: ClientSession | null }
  | { kind: 'grow'; name: string; count: number; seed: number }
  | { kind: 'configure'; name: string; key: string; value: string | null }
  | { kind: 'register'; id: number; incarnation: number; rack: string | null; hasItsLogs: boolean }
  | { kind: 'alter'; name: string; partition: number; members: number[] }
  | { kind: 'move'; name: string; partition: number; replicas: number[] | null }
  | { kind: 'elect'; electionType: 'preferred' | 'unclean' }
  | { kind: BrokerOperation; id: number }

const brokerOperations = ['fence', 'hear', 'hear unfit', 'shut down', 'drain', 'end drain', 'fail'] as const
type BrokerOperation = (typeof brokerOperations)[number]

const name = fc.constantFrom('a', 'b', 'c.d', 'c_d', '..', 'e')
const brokerId = fc.integer({ min: 1, max: 4 })
/** Topics that are likely to be there. */
const movedName = fc.constantFrom('a', 'b')
const partition = fc.constantFrom(0, 0, 0, 1)
const session = fc.option(
  fc.record({ clientId: fc.constantFrom('x', 'y', 'z'), requestId: fc.integer({ min: 0, max: 30 }) }),
)
const seed = fc.integer()

const topic: fc.Arbitrary<Topic> = fc.record({
  name,
  numPartitions: fc.constantFrom(-1, 0, 1, 3),
  replicationFactor: fc.constantFrom(-1, 1, 2, 3, 9),
  assignments: fc.constant(null),
  configs: fc.constantFrom([], [{ key: 'min.insync.replicas', value: '2' }], [{ key: 'no.such', value: '1' }]),
})

export const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('create'), topics: fc.array(topic, { maxLength: 3 }), session, seed }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete'), name, session }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('grow'), name, count: fc.integer({ min: 0, max: 6 }), seed }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('configure'),
      name,
      key: fc.constantFrom('min.insync.replicas', 'retention.ms', 'bogus'),
      value: fc.constantFrom('1', '3', null),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('register'),
      id: brokerId,
      incarnation: fc.integer({ min: 1, max: 3 }),
      rack: fc.constantFrom(null, 'r1', 'r2'),
      hasItsLogs: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('alter'),
      name: movedName,
      partition,
      members: fc.array(brokerId, { maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('move'),
      name: movedName,
      partition,
      replicas: fc.constantFrom(null, [], [1, 1], [1], [2], [3], [1, 2], [3, 2], [2, 1, 3]),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('elect'), electionType: fc.constantFrom('preferred', 'unclean') }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom(...brokerOperations), id: brokerId }) },
) as fc.Arbitrary<Operation>

/** Three brokers and a topic that is on all of them. */
const begun: Operation[] = [
  ...[1, 2, 3].map((id): Operation => ({ kind: 'register', id, incarnation: 1, rack: null, hasItsLogs: false })),
  { kind: 'create', topics: [topicRequest('a', { numPartitions: 2, replicationFactor: 3 })], session: null, seed: 1 },
]

/** From nothing, or from a cluster that has something to lose. */
export const history: fc.Arbitrary<Operation[]> = fc
  .tuple(fc.constantFrom([], begun), fc.array(operation, { minLength: 20, maxLength: 100 }))
  .map(([before, operations]) => [...before, ...operations])

/** Room for two sessions only, so that eviction happens. */
export const historyLimits: MetadataLimits = { ...limitsWithReplicas, sessionsMax: 2, brokersMax: 3 }

export interface Outcome {
  readonly records: readonly MetadataRecord[]
  /** The items of the response, or the failure of the whole. */
  readonly response: unknown
  readonly failure: Failure | null
}

export function decide(image: ClusterImage, operation: Operation): Outcome {
  const outcome = decideOperation(image, operation)
  return isFailure(outcome)
    ? { records: [], response: null, failure: outcome }
    : { records: outcome.records, response: outcome.response, failure: null }
}

function decideOperation(image: ClusterImage, op: Operation) {
  switch (op.kind) {
    case 'create': {
      const request = { ...createRequest(...op.topics), session: op.session }
      return once(image, createTopics, op.session, () =>
        decideCreateTopics(image, request, {
          ...topicFacts(op.seed),
          topicIds: unusedIds(image),
          limits: historyLimits,
        }),
      )
    }
    case 'delete': {
      const request = { session: op.session, timeoutMs: 0, topics: [{ name: op.name, topicId: null }] }
      return once(image, deleteTopics, op.session, () => decideDeleteTopics(image, request))
    }
    case 'grow': {
      const topics = [{ name: op.name, count: op.count, assignments: null }]
      const request = { session: null, timeoutMs: 0, validateOnly: false, topics }
      return decideCreatePartitions(image, request, topicFacts(op.seed))
    }
    case 'configure': {
      const changes = [{ op: op.value === null ? ('delete' as const) : ('set' as const), key: op.key, value: op.value }]
      const request = {
        session: null,
        validateOnly: false,
        resources: [{ type: 'topic' as const, name: op.name, changes }],
      }
      return decideAlterConfigs(image, request, {
        ...electionDefaults,
        rules: soundDecisionRules,
        validateBrokerConfig: () => null,
      })
    }
    case 'register': {
      const { id, incarnation, rack, hasItsLogs } = op
      const registration = {
        nodeId: toNodeId(id),
        incarnationId: `i${incarnation}`,
        url: `ws://${id}`,
        rack,
        clusterId: null,
        peerUrl: null,
        previousEpoch: hasItsLogs ? (image.brokers.get(toNodeId(id))?.epoch ?? null) : null,
      }
      return decideRegisterBroker(image, registration, {
        ...electionDefaults,
        rules: soundDecisionRules,
        limits: historyLimits,
        isHeard: false,
      })
    }
    case 'alter':
      return decideAlter(image, op)
    case 'move': {
      const { name: topic, partition, replicas } = op
      const request = { session: null, timeoutMs: 0, partitions: [{ topic, partition, replicas }] }
      return decideAlterReassignments(image, request, { ...electionDefaults, limits: historyLimits })
    }
    case 'elect': {
      const request = { session: null, timeoutMs: 0, electionType: op.electionType, partitions: null }
      return decideElectLeaders(image, request, electionDefaults)
    }
    default: {
      const broker = image.brokers.get(toNodeId(op.id))
      if (broker === undefined) return { records: [], response: null }
      return decideAboutBroker(image, broker, op.kind)
    }
  }
}

/** The leader, if there is one, says that the members of its wish that are replicas are in sync, with every epoch right. */
function decideAlter(image: ClusterImage, { name, partition, members }: Operation & { kind: 'alter' }) {
  const topic = image.topics.byName.get(name)
  const found = topic?.partitions[partition]
  if (topic === undefined || found === undefined || found.leaderId === null) return { records: [], response: null }
  const { replicas, leaderId, leaderEpoch, partitionEpoch } = found
  const newIsr = replicas
    .filter(id => id === leaderId || members.includes(id))
    .map(nodeId => ({ nodeId, brokerEpoch: image.brokers.get(nodeId)?.epoch ?? 0 }))
  const partitions = [{ topicId: topic.id, partition, leaderEpoch, partitionEpoch, newIsr }]
  const request = { nodeId: leaderId, brokerEpoch: image.brokers.get(leaderId)!.epoch, partitions }
  return decideAlterPartition(image, request, { ...electionDefaults, rules: soundDecisionRules })
}

function decideAboutBroker(image: ClusterImage, broker: BrokerImage, kind: BrokerOperation) {
  switch (kind) {
    case 'fence':
      return decideFence(image, broker, electionDefaults)
    case 'hear':
    case 'hear unfit':
      return decideHeard(image, broker, kind === 'hear unfit', electionDefaults)
    case 'shut down':
      return decideShutdown(image, broker, electionDefaults)
    case 'fail': {
      const topics = [...image.topics.byId.values()]
      const places = topics.flatMap(({ id, partitions }) =>
        partitions.map((_, partition) => ({ topicId: id, partition })),
      )
      return decideOffline(image, broker, places, electionDefaults)
    }
    default: {
      const request = { session: null, timeoutMs: 0, nodeId: broker.nodeId, isDraining: kind === 'drain' }
      return decideDrainBroker(image, request, electionDefaults)
    }
  }
}

function once<Response>(
  image: ClusterImage,
  api: Parameters<typeof decideOnce<Response>>[1],
  clientSession: ClientSession | null,
  decision: () => { records: readonly MetadataRecord[]; response: Response },
) {
  return decideOnce(image, api, clientSession, historyLimits, decision)
}

/** All records of a history, each decided on the image the ones before it made. */
export function recordsOf(operations: readonly Operation[]): MetadataRecord[] {
  const records: MetadataRecord[] = [bootstrap]
  let image = replayAll(emptyImage, records)
  for (const op of operations) {
    const decision = decide(image, op)
    image = replayAll(image, decision.records)
    records.push(...decision.records)
  }
  return records
}

/** The contents of an image as plain values, for comparison and for reading a failure. */
export function plain(image: ClusterImage) {
  const sorted = <K extends string | number, V>(map: ReadonlyMap<K, V>): [K, V][] =>
    [...map].sort(([a], [b]) => (a < b ? -1 : 1))
  const sessions = [...image.sessions.byClient]
    .sort(([, a], [, b]) => a.order - b.order)
    .map(([clientId, { order: _, response, ...rest }]) => ({ clientId, response: [...response], ...rest }))
  return {
    clusterId: image.clusterId,
    lastOffset: image.lastOffset,
    featureLevel: image.featureLevel,
    brokers: sorted(image.brokers),
    brokerConfigs: sorted(image.brokerConfigs).map(([id, configs]) => [id, sorted(configs)]),
    topics: sorted(image.topics.byName).map(([, topic]) => ({ ...topic, configs: sorted(topic.configs) })),
    ids: sorted(image.topics.byId).map(([id, topic]) => [id, topic.name]),
    collisionKeys: sorted(image.topics.byCollisionKey),
    partitionCount: image.topics.partitionCount,
    sessions,
    responseBytes: image.sessions.responseBytes,
  }
}
