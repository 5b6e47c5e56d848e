/** A cluster to decide about, built step by step. */
import assert from 'node:assert/strict'
import { decideFence, decideRegisterBroker } from '../../src/metadata/brokers.ts'
import { type ClusterImage, emptyImage } from '../../src/metadata/cluster-image.ts'
import { decideCreateTopics } from '../../src/metadata/create-topics.ts'
import { defaultLimits } from '../../src/metadata/decision.ts'
import type { BrokerImage, PartitionImage } from '../../src/metadata/image.ts'
import type { MetadataRecord } from '../../src/metadata/record-types.ts'
import { replayAll } from '../../src/metadata/replay.ts'
import { isFailure } from '../../src/protocol/errors.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { bootstrap, createRequest, type Topic, topicFacts, topicRequest } from './history.ts'

export class Cluster {
  image: ClusterImage = replayAll(emptyImage, [bootstrap])
  minInsyncReplicas = 1

  constructor(...brokerIds: number[]) {
    for (const id of brokerIds) this.register(id)
  }

  /** Replays a decision and gives back its response. */
  commit<Response>(decision: { readonly records: readonly MetadataRecord[]; readonly response: Response }): Response {
    this.image = replayAll(this.image, decision.records)
    return decision.response
  }

  register(id: number, incarnation = 'first', rack: string | null = null) {
    const nodeId = toNodeId(id)
    const registration = {
      nodeId,
      incarnationId: incarnation,
      url: `ws://node-${id}`,
      rack,
      clusterId: null,
      peerUrl: null,
      previousEpoch: null,
    }
    const facts = { limits: defaultLimits, isHeard: false, minInsyncReplicas: this.minInsyncReplicas }
    const decision = decideRegisterBroker(this.image, registration, facts)
    assert(!isFailure(decision))
    return this.commit(decision)
  }

  fence(id: number): void {
    this.commit(decideFence(this.image, this.broker(id), this))
  }

  broker(id: number): BrokerImage {
    return this.image.brokers.get(toNodeId(id))!
  }

  create(name: string, rest: Partial<Topic> = {}): void {
    const decision = decideCreateTopics(this.image, createRequest(topicRequest(name, rest)), topicFacts(1))
    assert.equal(decision.response.topics[0]!.errorMessage, null)
    this.commit({ ...decision, records: withFreshIds(decision.records, this.image) })
  }

  partition(name: string, partition = 0): PartitionImage {
    return this.image.topics.byName.get(name)!.partitions[partition]!
  }

  /** `replicas|isr|elr|leader@epoch`, for one line per expectation. */
  standing(name: string, partition = 0): string {
    const { replicas, isr, elr, leaderId, leaderEpoch } = this.partition(name, partition)
    return `${replicas}|${isr}|${elr}|${leaderId ?? 'none'}@${leaderEpoch}`
  }
}

/** Each topic of a test gets an id of its own, whatever the seed. */
function withFreshIds(records: readonly MetadataRecord[], image: ClusterImage): MetadataRecord[] {
  const suffix = String(image.lastOffset)
  return records.map(record => {
    if ('topicId' in record) return { ...record, topicId: `id-${suffix}` }
    return record.kind === 'config' ? { ...record, resource: `id-${suffix}` } : record
  })
}
