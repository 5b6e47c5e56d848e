/**
 * The only place where the cluster's state changes. A record that does not fit the image is a broken invariant and an
 * `AssertionError`: decisions never make one, so it means that the log is not ours or the code is wrong, and a node
 * that went on would differ from the others.
 *
 * `ImageBuilder` replays many records and copies what they touch once; `replay` is the same for one record.
 */
import { assert, unreachable } from '../util/assert.ts'
import type { NodeId, Offset } from '../util/numbers.ts'
import { toNodeId } from '../util/numbers.ts'
import type { ClusterImage } from './cluster-image.ts'
import type { BrokerImage, MetadataDelta } from './image.ts'
import type { MapEdit } from './persistent-map.ts'
import type { MetadataRecord, RecordOf } from './record-types.ts'
import { featureLevelMax } from './record-types.ts'
import type { MetadataEntry } from './records.ts'
import { SessionsEdit } from './sessions-edit.ts'
import { TopicsEdit, withConfig } from './topics-edit.ts'

/** The image after `record`, which stands at `offset`: the one after the image's last. */
export function replay(image: ClusterImage, record: MetadataRecord, offset: Offset): ClusterImage {
  assert(offset === image.lastOffset + 1, 'records are replayed in order, none left out')
  return replayAll(image, [record])
}

export function replayAll(image: ClusterImage, records: readonly MetadataRecord[]): ClusterImage {
  const builder = new ImageBuilder(image)
  for (const record of records) builder.replay(record)
  return builder.finish().image
}

/**
 * Replays an entry of the quorum's log, whole or not at all: `false` when it was decided for another offset than the
 * next. A leader that lost and regained leadership without noticing could append such an entry; every node passes over
 * it alike, and its proposer hears that it did not happen.
 */
export function replayEntry(builder: ImageBuilder, entry: MetadataEntry): boolean {
  if (entry.baseOffset !== builder.lastOffset + 1) return false
  for (const record of entry.records) builder.replay(record)
  return true
}

export class ImageBuilder {
  readonly #brokers: MapEdit<NodeId, BrokerImage>
  readonly #brokerConfigs: MapEdit<NodeId, ReadonlyMap<string, string>>
  readonly #topics: TopicsEdit
  readonly #sessions: SessionsEdit
  readonly #changedBrokers = new Set<NodeId>()
  readonly #changedBrokerConfigs = new Set<NodeId>()
  #clusterId: string | null
  #featureLevel: number
  #lastOffset: Offset

  constructor(image: ClusterImage) {
    this.#brokers = image.brokers.edit()
    this.#brokerConfigs = image.brokerConfigs.edit()
    this.#topics = new TopicsEdit(image.topics)
    this.#sessions = new SessionsEdit(image.sessions)
    this.#clusterId = image.clusterId
    this.#featureLevel = image.featureLevel
    this.#lastOffset = image.lastOffset
  }

  /** Offset of the last record replayed. */
  get lastOffset(): Offset {
    return this.#lastOffset
  }

  replay(record: MetadataRecord): void {
    this.#apply(record)
    this.#lastOffset++
  }

  /** The new image, and what differs from the one the builder began with. The builder may not be used after it. */
  finish(): { readonly image: ClusterImage; readonly delta: MetadataDelta } {
    const image = this.image()
    const delta: MetadataDelta = {
      ...this.#topics.delta(),
      changedBrokers: this.#changedBrokers,
      changedBrokerConfigs: this.#changedBrokerConfigs,
    }
    return { image, delta }
  }

  /** Only the new image. The builder may not be used after it. */
  image(): ClusterImage {
    return {
      clusterId: this.#clusterId,
      lastOffset: this.#lastOffset,
      brokers: this.#brokers.finish(),
      topics: this.#topics.finish(),
      brokerConfigs: this.#brokerConfigs.finish(),
      featureLevel: this.#featureLevel,
      sessions: this.#sessions.finish(),
    }
  }

  #apply(record: MetadataRecord): void {
    switch (record.kind) {
      case 'bootstrap':
        assert(this.#clusterId === null, 'a cluster is bootstrapped once')
        this.#clusterId = record.clusterId
        this.#setFeatureLevel(record.featureLevel)
        break
      case 'featureLevel':
        this.#setFeatureLevel(record.level)
        break
      case 'registerBroker':
        this.#registerBroker(record)
        break
      case 'unregisterBroker':
        this.#unregisterBroker(record)
        break
      case 'brokerChange':
        this.#changeBroker(record)
        break
      case 'config':
        if (record.resourceType === 'topic') this.#topics.setConfig(record)
        else this.#setBrokerConfig(record)
        break
      case 'topic':
        this.#topics.add(record)
        break
      case 'removeTopic':
        this.#topics.remove(record.topicId)
        break
      case 'partition':
        this.#topics.addPartition(record)
        break
      case 'partitionChange':
        this.#topics.changePartition(record)
        break
      case 'session':
        this.#sessions.put(record)
        break
      default:
        unreachable(record, 'every kind of record is replayed')
    }
  }

  #setFeatureLevel(level: number): void {
    assert(level <= featureLevelMax, 'the feature level is one this version knows')
    assert(level > this.#featureLevel, 'the feature level rises')
    this.#featureLevel = level
  }

  #registerBroker({ kind: _, ...broker }: RecordOf<'registerBroker'>): void {
    const before = this.#brokers.get(broker.nodeId)
    assert(before === undefined || before.epoch < broker.epoch, 'a broker epoch rises')
    this.#setBroker(broker)
  }

  #unregisterBroker({ nodeId, epoch }: RecordOf<'unregisterBroker'>): void {
    this.#broker(nodeId, epoch)
    this.#brokers.delete(nodeId)
    this.#changedBrokers.add(nodeId)
    if (this.#brokerConfigs.delete(nodeId)) this.#changedBrokerConfigs.add(nodeId)
  }

  #changeBroker(record: RecordOf<'brokerChange'>): void {
    const broker = this.#broker(record.nodeId, record.epoch)
    const { isFenced, isDraining, isUnfit } = record
    this.#setBroker({
      ...broker,
      isFenced: isFenced ?? broker.isFenced,
      isDraining: isDraining ?? broker.isDraining,
      isUnfit: isUnfit ?? broker.isUnfit,
    })
  }

  #broker(nodeId: NodeId, epoch: number): BrokerImage {
    const broker = this.#brokers.get(nodeId)
    assert(broker !== undefined, 'a broker is registered before it is changed')
    assert(broker.epoch === epoch, 'a broker is changed in its current epoch')
    return broker
  }

  #setBroker(broker: BrokerImage): void {
    this.#brokers.set(broker.nodeId, broker)
    this.#changedBrokers.add(broker.nodeId)
  }

  #setBrokerConfig({ resource, key, value }: RecordOf<'config'>): void {
    const nodeId = toNodeId(Number(resource))
    assert(this.#brokers.has(nodeId), 'a configured broker is registered')
    const configs = withConfig(this.#brokerConfigs.get(nodeId) ?? new Map(), key, value)
    if (configs.size === 0) this.#brokerConfigs.delete(nodeId)
    else this.#brokerConfigs.set(nodeId, configs)
    this.#changedBrokerConfigs.add(nodeId)
  }
}
