/**
 * What the nodes' images of the metadata must have in common. An image is a function of its last offset, whichever node
 * published it and in whichever life; a topic that is gone stays gone, for another of its name has another id; a broker's
 * epoch only rises.
 */
import type { MetadataImage } from '../../metadata/image.ts'
import type { NodeId } from '../../util/numbers.ts'
import { hold } from '../quorum/invariants/invariant.ts'
import type { ClusterSometimesCounts } from './sometimes.ts'

export class MetadataHistory {
  readonly #sometimes: ClusterSometimesCounts
  readonly #digests = new Map<number, { readonly digest: string; readonly by: NodeId }>()
  readonly #nameOfId = new Map<string, string>()
  readonly #idsOfName = new Map<string, number>()
  readonly #deletedIds = new Set<string>()
  readonly #acknowledgedIds = new Set<string>()
  /** Hears of every image that is newer than all before, within the event that showed it. */
  onAdvance: (image: MetadataImage, before: MetadataImage) => void = () => {}
  /** By topic id and partition: leader epochs that began with an unclean election, ascending. */
  readonly #uncleanEpochs = new Map<string, number[]>()
  /** The one with the highest offset. */
  #latest: MetadataImage | null = null

  constructor(sometimes: ClusterSometimesCounts) {
    this.#sometimes = sometimes
  }

  get latest(): MetadataImage | null {
    return this.#latest
  }

  /** A node shows this image from now on; `before` is what the same life showed until then. */
  published(by: NodeId, image: MetadataImage, before: MetadataImage | null): void {
    if (before !== null) {
      hold(image.lastOffset >= before.lastOffset, 'images go forward', () => `node ${by} went back`)
    }
    for (const { id, partitions } of image.topics.byId.values())
      for (const [partition, { uncleanEpoch }] of partitions.entries()) this.#noteUnclean(id, partition, uncleanEpoch)
    const digest = digestOf(image)
    const known = this.#digests.get(image.lastOffset)
    if (known === undefined) this.#digests.set(image.lastOffset, { digest, by })
    else {
      const account = (): string => `at ${image.lastOffset}\nnode ${known.by}: ${known.digest}\nnode ${by}: ${digest}`
      hold(known.digest === digest, 'one image for an offset', account)
    }
    if (image.lastOffset > (this.#latest?.lastOffset ?? -1)) this.#advance(image)
  }

  /** The last leader epoch at or below `leaderEpoch` that began with an unclean election; -1 for none. */
  uncleanEpochAt(topicId: string, partition: number, leaderEpoch: number): number {
    return this.#uncleanEpochs.get(`${topicId} ${partition}`)?.findLast(epoch => epoch <= leaderEpoch) ?? -1
  }

  /** A client was told that it has created this topic. */
  acknowledged(name: string, id: string): void {
    hold(!this.#acknowledgedIds.has(id), 'a topic is created once', () => `two were told of ${name} ${id}`)
    this.#acknowledgedIds.add(id)
    const known = this.#nameOfId.get(id)
    hold(
      known === undefined || known === name,
      'a topic has the id that was told',
      () => `${id}: ${known}, not ${name}`,
    )
  }

  #advance(image: MetadataImage): void {
    const before = this.#latest
    this.#latest = image
    for (const { id, name } of image.topics.byId.values()) this.#noteTopic(id, name)
    hold(image.topics.byId.size === image.topics.byName.size, 'a topic exists once', () => digestOf(image))
    if (before === null) return
    this.onAdvance(image, before)
    for (const id of before.topics.byId.keys()) if (!image.topics.byId.has(id)) this.#deletedIds.add(id)
    for (const [id, broker] of before.brokers) {
      const now = image.brokers.get(id)
      hold(now !== undefined, 'a broker stays known', () => `broker ${id}`)
      hold(now.epoch >= broker.epoch, 'broker epochs rise', () => `broker ${id}: ${broker.epoch}, then ${now.epoch}`)
      const isAnother = now.incarnationId !== broker.incarnationId
      hold(!isAnother || now.epoch > broker.epoch, 'a new life of a broker has a new epoch', () => `broker ${id}`)
      if (now.isFenced && !broker.isFenced) this.#sometimes.brokerFenced++
      if (!now.isFenced && broker.isFenced) this.#sometimes.brokerBack++
    }
  }

  #noteUnclean(topicId: string, partition: number, uncleanEpoch: number): void {
    if (uncleanEpoch < 0) return
    const key = `${topicId} ${partition}`
    const epochs = this.#uncleanEpochs.get(key) ?? []
    this.#uncleanEpochs.set(key, epochs)
    if (epochs.includes(uncleanEpoch)) return
    epochs.push(uncleanEpoch)
    epochs.sort((a, b) => a - b)
    this.#sometimes.uncleanElected++
  }

  #noteTopic(id: string, name: string): void {
    hold(!this.#deletedIds.has(id), 'what is deleted stays deleted', () => `topic ${name} with id ${id} came back`)
    const known = this.#nameOfId.get(id)
    hold(known === undefined || known === name, 'an id belongs to one name', () => `${id}: ${known} and ${name}`)
    if (known !== undefined) return
    this.#nameOfId.set(id, name)
    const count = (this.#idsOfName.get(name) ?? 0) + 1
    this.#idsOfName.set(name, count)
    if (count > 1) this.#sometimes.topicCreatedAnew++
  }
}

/** Everything that is replicated, as text. */
export function digestOf(image: MetadataImage): string {
  const brokers = [...image.brokers.values()]
    .sort((a, b) => a.nodeId - b.nodeId)
    .map(({ nodeId, epoch, incarnationId, isFenced, isDraining, isUnfit, url }) =>
      [nodeId, epoch, incarnationId, isFenced, isDraining, isUnfit, url].join(' '),
    )
  const topics = [...image.topics.byId.values()]
    .map(({ id, name, partitions }) => `${name} ${id} ${JSON.stringify(partitions)}`)
    .sort()
  const sessions = [...image.sessions.byClient].map(([client, { requestId }]) => `${client} ${requestId}`).sort()
  return JSON.stringify({ clusterId: image.clusterId, brokers, topics, sessions })
}
