/**
 * Decides AlterPartition: the leader of a partition says who is in sync (KIP-497). It decides on what it knew, so every
 * epoch must be the current one: its own registration, its reign, the partition, and the registration of each replica it
 * adds, which may have lost since what it acknowledged before (KIP-903).
 */
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { alterPartition } from '../protocol/apis/index.ts'
import { type Failure, isFailure } from '../protocol/errors.ts'
import { type NodeId, toBrokerEpoch, toNodeId } from '../util/numbers.ts'
import { registeredBroker } from './brokers.ts'
import type { ClusterImage } from './cluster-image.ts'
import { type Decision, duplicatesIn, itemDone, itemFailed } from './decision.ts'
import { type ElectionTerms, withIsr } from './election.ts'
import type { PartitionImage, TopicImage } from './image.ts'
import { leaving } from './reassignment.ts'
import type { MetadataRecord, RecordOf } from './record-types.ts'
import type { DecisionRules } from './rules.ts'
import { candidatesIn, electionTermsOf, newPartitionEpoch, settle, standingChange } from './settle.ts'

type Request = RequestOf<typeof alterPartition>
type Item = Request['partitions'][number]
type Response = ResponseOf<typeof alterPartition>
type Answer = Response['partitions'][number]

export interface AlterPartitionFacts extends ElectionTerms {
  readonly rules: DecisionRules
}

export function decideAlterPartition(
  image: ClusterImage,
  request: Request,
  facts: AlterPartitionFacts,
): Decision<Response> | Failure {
  const nodeId = toNodeId(request.nodeId)
  const broker = registeredBroker(image, nodeId, toBrokerEpoch(request.brokerEpoch))
  if (isFailure(broker)) return broker
  const candidates = candidatesIn(image)
  const duplicates = duplicatesIn(request.partitions.map(nameOf))
  const records: MetadataRecord[] = []
  const partitions = request.partitions.map((item): Answer => {
    const found = duplicates.has(nameOf(item))
      ? invalid('The request names the partition more than once.')
      : checked(image, nodeId, item, facts)
    if (isFailure(found)) {
      if (found.error === 'INELIGIBLE_REPLICA' && facts.rules.refusesForGood) records.push(refusal(item))
      return refused(item, found)
    }
    const { topic, partition } = found
    const terms = electionTermsOf(topic, facts)
    const inSync = new Set(item.newIsr.map(member => member.nodeId))
    const isr = partition.replicas.filter(id => inSync.has(id))
    const changed = withIsr(partition, isr, terms.minInsyncReplicas)
    const elr = facts.rules.eligibilityEnds ? changed.elr : partition.elr.filter(id => !isr.includes(id))
    const after = settle({ ...changed, elr }, candidates, terms)
    const change = standingChange(topic.id, item.partition, partition, after)
    if (change !== null) records.push(change)
    return change === null || isIsrOnly(change) ? done(item, partition, change) : refused(item, moreChanged)
  })
  return { records, response: { partitions } }
}

/**
 * The leader that is told so goes on without that replica; it may be eligible again when a duplicate of the request, held up
 * on the way, arrives. With another partition epoch that one is refused as well. Everything else that is refused stays so.
 */
function refusal({ topicId, partition }: Item): MetadataRecord {
  return newPartitionEpoch(topicId, partition)
}

/**
 * The change is made, but the leader learns of it from its metadata, where all of it stands: who leads and who the
 * replicas are, and with that how many of them must be in sync.
 */
const moreChanged: Failure = {
  error: 'INVALID_UPDATE_VERSION',
  message: 'More than the in-sync replicas has changed: the metadata say what.',
}

function isIsrOnly({ leaderId, replicas }: RecordOf<'partitionChange'>): boolean {
  return leaderId === null && replicas === null
}

function nameOf({ topicId, partition }: Item): string {
  return `${topicId} ${partition}`
}

function checked(
  image: ClusterImage,
  nodeId: NodeId,
  item: Item,
  facts: AlterPartitionFacts,
): { readonly topic: TopicImage; readonly partition: PartitionImage } | Failure {
  const { rules } = facts
  const topic = image.topics.byId.get(item.topicId)
  if (topic === undefined) return { error: 'UNKNOWN_TOPIC_ID', message: `There is no topic with id ${item.topicId}.` }
  const partition = topic.partitions[item.partition]
  if (partition === undefined) {
    const message = `Topic ${topic.name} has ${topic.partitions.length} partitions.`
    return { error: 'UNKNOWN_TOPIC_OR_PARTITION', message }
  }
  const { minInsyncReplicas } = electionTermsOf(topic, facts)
  const mayGo = leaving(partition, minInsyncReplicas).includes(nodeId)
  const fault = epochFault(nodeId, item, partition, rules) ?? isrFault(image, nodeId, item, partition, rules, mayGo)
  return fault ?? { topic, partition }
}

function epochFault(nodeId: NodeId, item: Item, partition: PartitionImage, rules: DecisionRules): Failure | null {
  const { leaderId, leaderEpoch, partitionEpoch } = partition
  if (leaderId !== nodeId) {
    return { error: 'NOT_LEADER_OR_FOLLOWER', message: `Its leader is ${leaderId ?? 'nobody'}, not ${nodeId}.` }
  }
  if (item.leaderEpoch !== leaderEpoch) {
    const error = item.leaderEpoch < leaderEpoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH'
    return { error, message: `Its leader epoch is ${leaderEpoch}, not ${item.leaderEpoch}.` }
  }
  if (item.partitionEpoch === partitionEpoch || !rules.checksPartitionEpochs) return null
  const message = `Its partition epoch is ${partitionEpoch}, not ${item.partitionEpoch}.`
  return { error: 'INVALID_UPDATE_VERSION', message }
}

function isrFault(
  image: ClusterImage,
  nodeId: NodeId,
  { newIsr }: Item,
  partition: PartitionImage,
  rules: DecisionRules,
  mayGo: boolean,
): Failure | null {
  const { replicas, isr, offlineReplicas } = partition
  const members = newIsr.map(member => toNodeId(member.nodeId))
  if (duplicatesIn(members).size > 0) return invalid('A replica stands in the new ISR twice.')
  const stranger = members.find(id => !replicas.includes(id))
  if (stranger !== undefined) return invalid(`Broker ${stranger} is not a replica.`)
  if (!members.includes(nodeId) && !mayGo) return invalid('The leader is not in the new ISR.')
  for (const member of newIsr) {
    const id = toNodeId(member.nodeId)
    const broker = image.brokers.get(id)
    const isThatOne = broker?.epoch === member.brokerEpoch || !rules.checksReplicaEpochs
    const isFit = broker !== undefined && !broker.isFenced && !broker.isUnfit && !offlineReplicas.includes(id)
    if (isr.includes(id) || (isFit && isThatOne)) continue
    return {
      error: 'INELIGIBLE_REPLICA',
      message: `Broker ${id} is fenced, unfit, registered anew, or its disk failed.`,
    }
  }
  return null
}

function invalid(message: string): Failure {
  return { error: 'INVALID_REQUEST', message }
}

function done(
  { topicId, partition }: Item,
  before: PartitionImage,
  change: RecordOf<'partitionChange'> | null,
): Answer {
  return {
    topicId,
    partition,
    ...itemDone,
    leaderId: before.leaderId ?? -1,
    leaderEpoch: before.leaderEpoch,
    isr: [...(change?.isr ?? before.isr)],
    partitionEpoch: before.partitionEpoch + (change === null ? 0 : 1),
  }
}

function refused({ topicId, partition }: Item, failure: Failure): Answer {
  return { topicId, partition, ...itemFailed(failure), leaderId: -1, leaderEpoch: -1, isr: [], partitionEpoch: -1 }
}
