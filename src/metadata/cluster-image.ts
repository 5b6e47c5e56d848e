/**
 * The image as the replicated state machine keeps it: what readers see (`MetadataImage`) plus the indexes that keep
 * deciding and replaying cheap when there are 100,000 partitions. Made only by `replay` and by restoring a snapshot.
 */

import type { NodeId } from '../util/numbers.ts'
import type { BrokerImage, MetadataImage, SessionsImage, TopicImage, TopicsImage } from './image.ts'
import { PersistentMap } from './persistent-map.ts'

export interface ClusterImage extends MetadataImage {
  readonly brokers: PersistentMap<NodeId, BrokerImage>
  readonly topics: IndexedTopics
  readonly brokerConfigs: PersistentMap<NodeId, ReadonlyMap<string, string>>
  readonly sessions: IndexedSessions
}

export interface IndexedTopics extends TopicsImage {
  readonly byName: PersistentMap<string, TopicImage>
  readonly byId: PersistentMap<string, TopicImage>
  /** Name by its collision key (see topic-name.ts), for the names that can collide at all. */
  readonly byCollisionKey: PersistentMap<string, string>
  /** Over all topics. */
  readonly partitionCount: number
}

export interface SessionImage {
  readonly requestId: number
  /** The API the answer belongs to: a request id does not serve two kinds of request. */
  readonly apiKey: number
  /** Version of the API's response schema that `response` is encoded in. */
  readonly apiVersion: number
  /** The encoded response body, as it was answered the first time. */
  readonly response: Uint8Array
  /** Position in `IndexedSessions.byOrder`. */
  readonly order: number
}

export interface IndexedSessions extends SessionsImage {
  readonly byClient: PersistentMap<string, SessionImage>
  /** Client id by a number that rises with each session written: the oldest client is at the lowest. */
  readonly byOrder: PersistentMap<number, string>
  /** No session has a lower order. */
  readonly oldestOrder: number
  /** Exclusive. */
  readonly nextOrder: number
  /** Sum of the lengths of the responses. */
  readonly responseBytes: number
}

/** The image before the first record. */
export const emptyImage: ClusterImage = {
  clusterId: null,
  lastOffset: -1,
  brokers: PersistentMap.empty(),
  topics: {
    byName: PersistentMap.empty(),
    byId: PersistentMap.empty(),
    byCollisionKey: PersistentMap.empty(),
    partitionCount: 0,
  },
  brokerConfigs: PersistentMap.empty(),
  featureLevel: 0,
  sessions: {
    byClient: PersistentMap.empty(),
    byOrder: PersistentMap.empty(),
    oldestOrder: 0,
    nextOrder: 0,
    responseBytes: 0,
  },
}

/** Clients from the one that has been silent longest. */
export function* sessionsOldestFirst(sessions: IndexedSessions): Generator<[clientId: string, session: SessionImage]> {
  for (let order = sessions.oldestOrder; order < sessions.nextOrder; order++) {
    const clientId = sessions.byOrder.get(order)
    if (clientId !== undefined) yield [clientId, sessions.byClient.get(clientId)!]
  }
}
