/**
 * The metadata of 1,000 topics with 10 partitions and 3 replicas on 9 brokers in 3 racks: replaying, writing and restoring
 * them, and decisions on them. (`npm run bench:metadata` has 100,000 partitions, on nodes.)
 */
import { decideFence, decideRegisterBroker } from '../../src/metadata/brokers.ts'
import { type ClusterImage, emptyImage } from '../../src/metadata/cluster-image.ts'
import { decideCreateTopics } from '../../src/metadata/create-topics.ts'
import { defaultLimits } from '../../src/metadata/decision.ts'
import type { MetadataRecord } from '../../src/metadata/record-types.ts'
import { decodeEntry, encodeEntry } from '../../src/metadata/records.ts'
import { replayAll } from '../../src/metadata/replay.ts'
import { soundDecisionRules } from '../../src/metadata/rules.ts'
import { imageHash, restoreSnapshot, writeSnapshot } from '../../src/metadata/snapshot.ts'
import { isFailure } from '../../src/protocol/errors.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { uuidFrom } from '../../src/util/uuid.ts'
import { type Case, keep, once, type Room, type Work } from './case.ts'
import { objects } from './references.ts'

const topicCount = 1_000
const partitionsPerTopic = 10
const partitionCount = topicCount * partitionsPerTopic
const random = seededRandom(1)
const defaults = {
  numPartitions: partitionsPerTopic,
  replicationFactor: 3,
  minInsyncReplicas: 2,
  isUncleanAllowed: false,
}

interface History {
  /** Of the brokers alone. */
  readonly base: ClusterImage
  /** One topic each. */
  readonly batches: readonly (readonly MetadataRecord[])[]
  readonly image: ClusterImage
}

export const room: Room = {
  name: 'metadata',
  cases: [
    imageCase('image replay, topic by topic', 'a topic', ({ base, batches }) =>
      counted(topicCount, () => batches.reduce<ClusterImage>(replayAll, base)),
    ),
    imageCase('image replay, all at once', 'a partition', ({ base, batches }) => {
      const records = batches.flat()
      return counted(partitionCount, () => replayAll(base, records))
    }),
    imageCase('metadata entry encode', 'a topic', ({ batches }) =>
      counted(topicCount, () => batches.map(records => encodeEntry({ baseOffset: 0, records }))),
    ),
    imageCase('metadata entry decode', 'a topic', ({ batches }) => {
      const entries = batches.map(records => encodeEntry({ baseOffset: 0, records }))
      return counted(topicCount, () => entries.map(decodeEntry))
    }),
    imageCase('snapshot write', 'a partition', ({ image }) => counted(partitionCount, () => writeSnapshot(image))),
    imageCase('snapshot restore', 'a partition', ({ image }) => {
      const snapshot = writeSnapshot(image)
      if (imageHash(restoreSnapshot(snapshot)) !== imageHash(image)) throw new Error('the restored image differs')
      return counted(partitionCount, () => restoreSnapshot(snapshot))
    }),
    imageCase('decide one more topic', 'a decision', ({ image }) => once(() => createTopic(image, 'one-more'))),
    imageCase('decide to fence one of 9 brokers', 'a decision', ({ image }) =>
      once(() => decideFence(image, image.brokers.get(toNodeId(1))!, defaults)),
    ),
    imageCase('image replay, a broker fenced', 'a record', ({ image }) => {
      const { records } = decideFence(image, image.brokers.get(toNodeId(1))!, defaults)
      return counted(records.length, () => replayAll(image, records))
    }),
  ],
}

function imageCase(name: string, operation: string, work: (history: History) => Work): Case {
  return { name, operation, clock: 'cpu', prepare: () => ({ run: work(makeHistory()), reference: objects }) }
}

function counted(operations: number, run: () => unknown): Work {
  return () => {
    keep(run())
    return operations
  }
}

function makeHistory(): History {
  const base = withBrokers()
  const batches: (readonly MetadataRecord[])[] = []
  let image = base
  for (let topic = 0; topic < topicCount; topic++) {
    const records = createTopic(image, `topic.${topic}`)
    batches.push(records)
    image = replayAll(image, records)
  }
  return { base, batches, image }
}

function withBrokers(): ClusterImage {
  let image = replayAll(emptyImage, [{ kind: 'bootstrap', clusterId: 'bench', featureLevel: 1 }])
  for (let id = 1; id <= 9; id++) {
    const broker = {
      nodeId: toNodeId(id),
      incarnationId: 'i',
      url: 'ws://x',
      rack: `rack-${id % 3}`,
      clusterId: null,
      peerUrl: null,
      previousEpoch: null,
    }
    const decision = decideRegisterBroker(image, broker, {
      limits: defaultLimits,
      isHeard: false,
      minInsyncReplicas: 2,
      isUncleanAllowed: false,
      rules: soundDecisionRules,
    })
    if (!isFailure(decision)) image = replayAll(image, decision.records)
  }
  return image
}

function createTopic(image: ClusterImage, name: string): readonly MetadataRecord[] {
  const topic = { name, numPartitions: -1, replicationFactor: -1, assignments: null, configs: [] }
  const request = { session: null, timeoutMs: 0, validateOnly: false, topics: [topic] }
  const placementStart = random.nextInt(2 ** 30)
  const topicIds = [uuidFrom(random.nextBytes(16))]
  return decideCreateTopics(image, request, { defaults, limits: defaultLimits, placementStart, topicIds }).records
}
