/** A cluster to decide about, built step by step. */
import assert from 'node:assert/strict'
import { decideAlterConfigs } from '../../src/metadata/alter-configs.ts'
import { decideAlterPartition } from '../../src/metadata/alter-partition.ts'
import {
  decideDrainBroker,
  decideFence,
  decideHeard,
  decideOffline,
  decideRegisterBroker,
  decideShutdown,
} from '../../src/metadata/brokers.ts'
import { type ClusterImage, emptyImage } from '../../src/metadata/cluster-image.ts'
import { decideCreateTopics } from '../../src/metadata/create-topics.ts'
import { defaultLimits } from '../../src/metadata/decision.ts'
import type { BrokerImage, PartitionImage } from '../../src/metadata/image.ts'
import type { MetadataRecord } from '../../src/metadata/record-types.ts'
import { replayAll } from '../../src/metadata/replay.ts'
import { type DecisionRules, soundDecisionRules } from '../../src/metadata/rules.ts'
import { type ErrorName, errorName, isFailure } from '../../src/protocol/errors.ts'
import { type BrokerEpoch, toNodeId } from '../../src/util/numbers.ts'
import { bootstrap, createRequest, type Topic, topicFacts, topicRequest } from './history.ts'

export class Cluster {
  image: ClusterImage = replayAll(emptyImage, [bootstrap])
  minInsyncReplicas = 1
  isUncleanAllowed = false
  rules: DecisionRules = soundDecisionRules

  constructor(...brokerIds: number[]) {
    for (const id of brokerIds) this.register(id)
  }

  /** Replays a decision and gives back its response. */
  commit<Response>(decision: { readonly records: readonly MetadataRecord[]; readonly response: Response }): Response {
    this.image = replayAll(this.image, decision.records)
    return decision.response
  }

  /** `previousEpoch`: what a restarted broker's logs are known to be complete for; by default nothing. */
  register(id: number, incarnation = 'first', rack: string | null = null, previousEpoch: BrokerEpoch | null = null) {
    const nodeId = toNodeId(id)
    const registration = {
      nodeId,
      incarnationId: incarnation,
      url: `ws://node-${id}`,
      rack,
      clusterId: null,
      peerUrl: null,
      previousEpoch,
    }
    const facts = { ...this.terms, limits: defaultLimits, isHeard: false }
    const decision = decideRegisterBroker(this.image, registration, facts)
    assert(!isFailure(decision))
    return this.commit(decision)
  }

  /** Registers a new incarnation whose logs are complete. */
  restart(id: number, incarnation = 'second') {
    return this.register(id, incarnation, this.broker(id).rack, this.broker(id).epoch)
  }

  get terms() {
    const { minInsyncReplicas, isUncleanAllowed, rules } = this
    return { minInsyncReplicas, isUncleanAllowed, rules }
  }

  fence(id: number): void {
    this.commit(decideFence(this.image, this.broker(id), this.terms))
  }

  heard(id: number, isUnfit = false): void {
    this.commit(decideHeard(this.image, this.broker(id), isUnfit, this.terms))
  }

  /** The disk of the broker failed its replica. */
  lose(id: number, name: string, partition = 0): void {
    const places = [{ topicId: this.image.topics.byName.get(name)!.id, partition }]
    this.commit(decideOffline(this.image, this.broker(id), places, this.terms))
  }

  /** Whether it may stop. */
  shutDown(id: number): boolean {
    return this.commit(decideShutdown(this.image, this.broker(id), this.terms)).mayStop
  }

  /** What it still leads. */
  drain(id: number, isDraining = true): number {
    const request = { session: null, timeoutMs: 0, nodeId: id, isDraining }
    const decision = decideDrainBroker(this.image, request, this.terms)
    assert(!isFailure(decision))
    return this.commit(decision).leaderCount
  }

  configure(name: string, key: string, value: string): void {
    const changes = [{ op: 'set' as const, key, value }]
    const request = { session: null, validateOnly: false, resources: [{ type: 'topic' as const, name, changes }] }
    const facts = { ...this.terms, validateBrokerConfig: () => null }
    assert.equal(this.commit(decideAlterConfigs(this.image, request, facts)).resources[0]!.errorMessage, null)
  }

  /** The leader says who is in sync, with every epoch as it is; the error, if any. */
  alter(name: string, newIsr: readonly number[], partition = 0): ErrorName | null {
    const decision = decideAlterPartition(this.image, this.alterRequest(name, newIsr, partition), this.terms)
    assert(!isFailure(decision))
    return errorName(this.commit(decision).partitions[0]!.errorCode)
  }

  alterRequest(name: string, newIsr: readonly number[], partition = 0) {
    const { id: topicId, partitions } = this.image.topics.byName.get(name)!
    const { leaderId, leaderEpoch, partitionEpoch } = partitions[partition]!
    const members = newIsr.map(id => ({ nodeId: id, brokerEpoch: this.image.brokers.get(toNodeId(id))?.epoch ?? 0 }))
    const item = { topicId, partition, leaderEpoch: leaderEpoch as number, partitionEpoch, newIsr: members }
    return { nodeId: leaderId as number, brokerEpoch: this.broker(leaderId!).epoch as number, partitions: [item] }
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
