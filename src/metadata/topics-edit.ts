/**
 * Replays topic, partition and topic config records. Topics touched by a batch are held open here, each with one copy
 * of its partition list, and go back into the maps when the batch ends.
 */
import { assert } from '../util/assert.ts'
import type { LeaderEpoch, NodeId } from '../util/numbers.ts'
import { toLeaderEpoch } from '../util/numbers.ts'
import type { IndexedTopics } from './cluster-image.ts'
import type { MetadataDelta, PartitionImage, TopicImage } from './image.ts'
import type { MapEdit } from './persistent-map.ts'
import type { RecordOf } from './record-types.ts'
import { noLeader } from './record-types.ts'
import { collisionKey } from './topic-name.ts'

/** A topic while records are replayed: becomes a `TopicImage` by being let go. */
interface OpenTopic {
  readonly id: string
  readonly name: string
  readonly partitions: PartitionImage[]
  configs: ReadonlyMap<string, string>
}

export class TopicsEdit {
  readonly #before: IndexedTopics
  readonly #byName: MapEdit<string, TopicImage>
  readonly #byId: MapEdit<string, TopicImage>
  readonly #byCollisionKey: MapEdit<string, string>
  readonly #open = new Map<string, OpenTopic>()
  readonly #deletedIds = new Set<string>()
  #partitionCount: number

  constructor(topics: IndexedTopics) {
    this.#before = topics
    this.#byName = topics.byName.edit()
    this.#byId = topics.byId.edit()
    this.#byCollisionKey = topics.byCollisionKey.edit()
    this.#partitionCount = topics.partitionCount
  }

  add({ topicId, name }: RecordOf<'topic'>): void {
    assert(!this.#byId.has(topicId) && !this.#deletedIds.has(topicId), 'a topic id is used once')
    assert(!this.#byName.has(name), 'a topic name is taken once at a time')
    const key = collisionKey(name)
    assert(key === null || !this.#byCollisionKey.has(key), 'topic names differ in more than . and _')
    if (key !== null) this.#byCollisionKey.set(key, name)
    const topic: OpenTopic = { id: topicId, name, partitions: [], configs: new Map() }
    this.#open.set(topicId, topic)
    this.#byId.set(topicId, topic)
    this.#byName.set(name, topic)
  }

  remove(topicId: string): void {
    const topic = this.#byId.get(topicId)
    assert(topic !== undefined, 'a removed topic exists')
    this.#partitionCount -= topic.partitions.length
    this.#open.delete(topicId)
    this.#byId.delete(topicId)
    this.#byName.delete(topic.name)
    const key = collisionKey(topic.name)
    if (key !== null) this.#byCollisionKey.delete(key)
    this.#deletedIds.add(topicId)
  }

  setConfig({ resource, key, value }: RecordOf<'config'>): void {
    const topic = this.#opened(resource)
    topic.configs = withConfig(topic.configs, key, value)
  }

  addPartition({ kind: _, topicId, partition, ...state }: RecordOf<'partition'>): void {
    const topic = this.#opened(topicId)
    assert(partition === topic.partitions.length, 'partitions are numbered without gaps')
    checkPartition(state)
    topic.partitions.push(state)
    this.#partitionCount++
  }

  changePartition({ kind: _, topicId, partition, leaderId, isUnclean, ...changes }: RecordOf<'partitionChange'>): void {
    const topic = this.#opened(topicId)
    const before = topic.partitions[partition]
    assert(before !== undefined, 'a changed partition exists')
    const leaderEpoch = leaderId === null ? before.leaderEpoch : nextEpoch(before.leaderEpoch)
    const after: PartitionImage = {
      replicas: changes.replicas ?? before.replicas,
      isr: changes.isr ?? before.isr,
      elr: changes.elr ?? before.elr,
      addingReplicas: changes.addingReplicas ?? before.addingReplicas,
      removingReplicas: changes.removingReplicas ?? before.removingReplicas,
      leaderId: leaderId === null ? before.leaderId : leaderId === noLeader ? null : leaderId,
      leaderEpoch,
      partitionEpoch: before.partitionEpoch + 1,
      uncleanEpoch: isUnclean ? leaderEpoch : before.uncleanEpoch,
      offlineReplicas: changes.offlineReplicas ?? before.offlineReplicas,
    }
    checkPartition(after)
    topic.partitions[partition] = after
  }

  finish(): IndexedTopics {
    if (this.#open.size === 0 && this.#deletedIds.size === 0) return this.#before
    return {
      byName: this.#byName.finish(),
      byId: this.#byId.finish(),
      byCollisionKey: this.#byCollisionKey.finish(),
      partitionCount: this.#partitionCount,
    }
  }

  /** A topic that came and went within the batch is in neither set: nobody has seen it. */
  delta(): Pick<MetadataDelta, 'changedTopicIds' | 'deletedTopicIds'> {
    return {
      changedTopicIds: new Set(this.#open.keys()),
      deletedTopicIds: new Set([...this.#deletedIds].filter(id => this.#before.byId.has(id))),
    }
  }

  #opened(topicId: string): OpenTopic {
    const already = this.#open.get(topicId)
    if (already !== undefined) return already
    const topic = this.#byId.get(topicId)
    assert(topic !== undefined, 'a changed topic exists')
    const open: OpenTopic = { ...topic, partitions: topic.partitions.slice() }
    this.#open.set(topicId, open)
    this.#byId.set(topicId, open)
    this.#byName.set(open.name, open)
    return open
  }
}

function nextEpoch(epoch: LeaderEpoch): LeaderEpoch {
  return toLeaderEpoch(epoch + 1)
}

/** What holds for every partition at every offset (KIP-966: nobody is in sync and merely eligible at once). */
function checkPartition({ replicas, isr, elr, offlineReplicas, leaderId }: PartitionImage): void {
  assert(replicas.length > 0, 'a partition has replicas')
  assert(areDistinct(replicas), 'replicas are distinct')
  assert(
    isr.every(id => replicas.includes(id)),
    'isr is within replicas',
  )
  assert(areDistinct(isr), 'isr members are distinct')
  assert(
    elr.every(id => replicas.includes(id) && !isr.includes(id)),
    'elr is within replicas and apart from isr',
  )
  assert(
    offlineReplicas.every(id => replicas.includes(id) && !isr.includes(id)),
    'offline replicas are within replicas and not in sync',
  )
  assert(leaderId === null || isr.includes(leaderId), 'the leader is in sync')
}

/** A handful of ids: comparing each with the others beats building a set. */
function areDistinct(ids: readonly NodeId[]): boolean {
  return ids.every((id, at) => ids.indexOf(id) === at)
}

/** A copy with one config set, or deleted by `null`. The closed list of keys keeps it small. */
export function withConfig(
  configs: ReadonlyMap<string, string>,
  key: string,
  value: string | null,
): ReadonlyMap<string, string> {
  const changed = new Map(configs)
  if (value === null) changed.delete(key)
  else changed.set(key, value)
  return changed
}
