/**
 * What 100,000 partitions cost the metadata: replaying them, one topic at a time and in large batches; writing and
 * restoring a snapshot; deciding one more topic; fencing the broker that leads them. In one process, without I/O.
 * Workload: 10,000 topics of 10 partitions and 3 replicas on 9 brokers in 3 racks.
 *
 *     node --import tsx bench/micro/metadata.bench.ts
 */
import { decideFence, decideRegisterBroker } from '../../src/metadata/brokers.ts'
import { type ClusterImage, emptyImage } from '../../src/metadata/cluster-image.ts'
import { decideCreateTopics } from '../../src/metadata/create-topics.ts'
import { defaultLimits } from '../../src/metadata/decision.ts'
import type { MetadataRecord } from '../../src/metadata/record-types.ts'
import { decodeEntry, encodeEntry } from '../../src/metadata/records.ts'
import { replayAll } from '../../src/metadata/replay.ts'
import { soundDecisionRules } from '../../src/metadata/rules.ts'
import { imageHash, restoreSnapshot, snapshotChunks, writeSnapshot } from '../../src/metadata/snapshot.ts'
import { isFailure } from '../../src/protocol/errors.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { uuidFrom } from '../../src/util/uuid.ts'

const topicCount = 10_000
const partitionsPerTopic = 10
const random = seededRandom(1)
const defaults = {
  numPartitions: partitionsPerTopic,
  replicationFactor: 3,
  minInsyncReplicas: 2,
  isUncleanAllowed: false,
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

function time<T>(what: string, run: () => T, count?: { of: number; what: string }): T {
  const start = performance.now()
  const result = run()
  const ms = performance.now() - start
  const each = count === undefined ? '' : `  ${((ms * 1000) / count.of).toFixed(2)} µs per ${count.what}`
  console.log(`  ${what.padEnd(46)} ${ms.toFixed(1).padStart(9)} ms${each}`)
  return result
}

const base = withBrokers()
const batches: (readonly MetadataRecord[])[] = []
const partitions = { of: topicCount * partitionsPerTopic, what: 'partition' }
const topics = { of: topicCount, what: 'topic' }

console.log(`metadata of ${topicCount} topics, ${partitions.of} partitions`)
const image = time(
  'decide and replay topics one after another',
  () => {
    let grown = base
    for (let i = 0; i < topicCount; i++) {
      const records = createTopic(grown, `topic.${i}`)
      batches.push(records)
      grown = replayAll(grown, records)
    }
    return grown
  },
  topics,
)
time('replay topics one after another', () => batches.reduce<ClusterImage>(replayAll, base), topics)
time('replay all in one batch', () => replayAll(base, batches.flat()), partitions)
const entries = time('encode entries', () => batches.map(records => encodeEntry({ baseOffset: 0, records })), topics)
time('decode entries', () => entries.map(decodeEntry), topics)
const snapshot = time('write snapshot', () => writeSnapshot(image), partitions)
console.log(`  snapshot of ${(snapshot.length / 1024 / 1024).toFixed(2)} MiB, entries ${sum(entries).toFixed(2)} MiB`)
time('longest wait between two chunks of it', () => longestStep(snapshotChunks(image)))
const restored = time('restore snapshot', () => restoreSnapshot(snapshot), partitions)
if (imageHash(restored) !== imageHash(image)) throw new Error('the restored image differs')
time('decide one more topic', () => createTopic(image, 'one-more'))
const fencing = time('decide to fence one of 9 brokers', () =>
  decideFence(image, image.brokers.get(toNodeId(1))!, defaults),
)
time(`replay that (${fencing.records.length} records)`, () => replayAll(image, fencing.records))

function longestStep(chunks: Iterator<Uint8Array>): void {
  let longest = 0
  for (let start = performance.now(); chunks.next().done !== true; start = performance.now()) {
    longest = Math.max(longest, performance.now() - start)
  }
  console.log(`  longest step ${longest.toFixed(2)} ms`)
}

function sum(parts: readonly Uint8Array[]): number {
  return parts.reduce((total, part) => total + part.length, 0) / 1024 / 1024
}
