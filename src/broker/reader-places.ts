/**
 * Whether the reader of a partition is right here: whoever may not read it, asks the wrong node, is nearer to another replica,
 * or has read what the log does not have, is told so.
 *
 * That something read is gone only a leader can know, and one that was replaced does not notice before the metadata reach it. Its log
 * lacks what its successor has committed, and to it a reader of that looks like one of a log that was cut. So before a reader is told
 * that his position is not in the log, this node makes sure that its metadata are not older than what the reader knows.
 */
import type { MetadataImage } from '../metadata/image.ts'
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { fetch } from '../protocol/apis/index.ts'
import { ApiError, type Failure, isFailure } from '../protocol/errors.ts'
import type { RequestContext } from '../transport/handler.ts'
import { secondMs } from '../util/units.ts'
import { nearestReplica } from './nearest-replica.ts'
import type { Partition } from './partition.ts'
import type { BrokerRuntime } from './runtime.ts'

type PartitionRequest = RequestOf<typeof fetch>['partitions'][number]
type PartitionResponse = ResponseOf<typeof fetch>['partitions'][number]

export type ReaderPlace =
  | { readonly kind: 'here'; readonly partition: Partition }
  | {
      readonly kind: 'elsewhere'
      readonly partition: Partition
      readonly where: Pick<PartitionResponse, 'divergingEpoch'> | Pick<PartitionResponse, 'preferredReadReplica'>
    }
  | { readonly kind: 'refused'; readonly partition: Partition | null; readonly failure: Failure }

/** A controller that is not reached meanwhile leaves the reader without an answer: he asks again. */
const currentMsMax = secondMs

/** Of one look at the partitions of one request. */
export class ReaderPlaces {
  readonly #broker: BrokerRuntime
  readonly #context: RequestContext
  readonly #rack: string | null
  /** All that the reader says he knew before he sent the request: one question will do. */
  #current: Promise<MetadataImage | Failure> | null = null

  constructor(broker: BrokerRuntime, context: RequestContext, rack: string | null) {
    this.#broker = broker
    this.#context = context
    this.#rack = rack
  }

  /** Without a promise unless something that was read may be gone. */
  of(item: PartitionRequest): ReaderPlace | Promise<ReaderPlace> {
    const place = this.#asKnown(item)
    const isDoubted = this.#broker.rules.truncationIsToldByLeaders && isGone(place, item)
    return isDoubted ? this.#asIsCurrent(item) : place
  }

  async #asIsCurrent(item: PartitionRequest): Promise<ReaderPlace> {
    this.#current ??= currentImage(this.#broker)
    const image = await this.#current
    if (isFailure(image)) return refused(image)
    const place = this.#asKnown(item)
    const { partition } = place
    if (partition === null) return place
    const { id, leaderEpoch } = partition
    const current = image.topics.byId.get(id.topicId)?.partitions[id.partition]
    // A partition that is being opened is told of a new epoch a little later.
    const isCurrent = current !== undefined && leaderEpoch >= current.leaderEpoch
    return isCurrent ? place : refused(notKnownToLead(`leader epoch ${leaderEpoch} is over`))
  }

  #asKnown(item: PartitionRequest): ReaderPlace {
    const partition = this.#findReadable(item)
    if (isFailure(partition)) return refused(partition)
    const parted = partition.checkOffset(item.fetchOffset, item.lastFetchedEpoch)
    if (isFailure(parted)) return refused(parted, partition)
    if (parted !== null) {
      const divergingEpoch = { epoch: parted.hintEpoch, endOffset: parted.endOffset }
      return { kind: 'elsewhere', partition, where: { divergingEpoch } }
    }
    const { leading } = partition
    if (this.#rack === null || leading === null) return { kind: 'here', partition }
    const nearer = nearestReplica(this.#broker.metadata.image(), leading, this.#rack, item.fetchOffset)
    if (nearer === null) return { kind: 'here', partition }
    return { kind: 'elsewhere', partition, where: { preferredReadReplica: nearer } }
  }

  #findReadable(item: PartitionRequest): Partition | Failure {
    const { authorizer, partitions } = this.#broker
    if (!authorizer.isAllowed(this.#context, 'read', { kind: 'topic', name: item.topic })) {
      return { error: 'TOPIC_AUTHORIZATION_FAILED', message: `Not authorised to read ${item.topic}.` }
    }
    if (item.maxBytes < 0) return { error: 'INVALID_FETCH_SIZE', message: `maxBytes is ${item.maxBytes}.` }
    // Who names a rack knows that he may be sent elsewhere.
    return partitions.findReadable(item, item.leaderEpoch, this.#rack !== null)
  }
}

/** Whether the reader would be told that what is before his position is not in the log, or not any more. */
function isGone(place: ReaderPlace, { fetchOffset }: PartitionRequest): boolean {
  if (place.kind === 'elsewhere') return 'divergingEpoch' in place.where
  if (place.kind === 'here' || place.failure.error !== 'OFFSET_OUT_OF_RANGE') return false
  // What a log has deleted from its start was committed, whoever leads.
  return place.partition !== null && fetchOffset >= place.partition.log.logStartOffset
}

async function currentImage(broker: BrokerRuntime): Promise<MetadataImage | Failure> {
  try {
    return await broker.controller.currentImage(currentMsMax)
  } catch (error) {
    if (error instanceof ApiError) return notKnownToLead(error.message)
    throw error
  }
}

function notKnownToLead(why: string): Failure {
  return { error: 'NOT_LEADER_OR_FOLLOWER', message: `This node does not know whether somebody else leads: ${why}` }
}

function refused(failure: Failure, partition: Partition | null = null): ReaderPlace {
  return { kind: 'refused', partition, failure }
}
