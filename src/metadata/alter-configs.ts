/** Decides IncrementalAlterConfigs: the changes of one resource are made all or none. */
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { alterConfigs } from '../protocol/apis/index.ts'
import { type Failure, isFailure } from '../protocol/errors.ts'
import { toNodeId } from '../util/numbers.ts'
import type { ClusterImage } from './cluster-image.ts'
import { type Decision, duplicatesIn, findTopic, itemDone, itemFailed } from './decision.ts'
import { type ElectionTerms, minIsrOf, withIsr } from './election.ts'
import type { TopicImage } from './image.ts'
import type { MetadataRecord } from './record-types.ts'
import type { DecisionRules } from './rules.ts'
import { candidatesIn, electionTermsOf, newPartitionEpoch, settle, standingChange } from './settle.ts'
import { topicConfigs, validateTopicConfig } from './topic-configs.ts'

type Request = RequestOf<typeof alterConfigs>
type Response = ResponseOf<typeof alterConfigs>
type Resource = Request['resources'][number]
type Change = Resource['changes'][number]

export interface ConfigFacts extends ElectionTerms {
  readonly rules: DecisionRules
  /** `null` when the broker config may be changed at run time to that value (`null`: back to the default). */
  readonly validateBrokerConfig: (key: string, value: string | null) => Failure | null
}

export function decideAlterConfigs(image: ClusterImage, request: Request, facts: ConfigFacts): Decision<Response> {
  const records: MetadataRecord[] = []
  const duplicates = duplicatesIn(request.resources.map(resourceName))
  const resources = request.resources.map((resource): Response['resources'][number] => {
    const { type, name } = resource
    const changes = duplicates.has(resourceName(resource))
      ? invalid(`The request names ${resourceName(resource)} more than once.`)
      : (invalidChanges(resource.changes) ?? decideResource(image, resource, facts))
    if (isFailure(changes)) return { type, name, ...itemFailed(changes) }
    for (const record of changes) records.push(record)
    return { type, name, ...itemDone }
  })
  return { records: request.validateOnly ? [] : records, response: { resources } }
}

function resourceName({ type, name }: Resource): string {
  return `${type} ${name}`
}

function invalid(message: string): Failure {
  return { error: 'INVALID_REQUEST', message }
}

function invalidChanges(changes: readonly Change[]): Failure | null {
  for (const key of duplicatesIn(changes.map(change => change.key))) return invalid(`Config ${key} is changed twice.`)
  const unset = changes.find(({ op, value }) => op === 'set' && value === null)
  return unset === undefined ? null : invalid(`Config ${unset.key} is set to no value.`)
}

function decideResource(image: ClusterImage, resource: Resource, facts: ConfigFacts): MetadataRecord[] | Failure {
  return resource.type === 'topic' ? alterTopic(image, resource, facts) : alterBroker(image, resource, facts)
}

function alterTopic(image: ClusterImage, { name, changes }: Resource, facts: ConfigFacts): MetadataRecord[] | Failure {
  const topic = findTopic(image, name, null)
  if (isFailure(topic)) return topic
  const faults = changes.map(change => topicChangeFault(change)).filter(fault => fault !== null)
  if (faults.length > 0) return faults[0]!
  const records = configRecords('topic', topic.id, topic.configs, changes)
  return [...records, ...electionRecords(image, topic, changes, facts)]
}

function topicChangeFault({ op, key, value }: Change): Failure | null {
  if (op === 'set') return validateTopicConfig(key, value!)
  if (topicConfigs.some(spec => spec.key === key)) return null
  return { error: 'INVALID_CONFIG', message: `Unknown topic config ${key}.` }
}

/**
 * What other terms of election mean for the partitions of the topic, in the same step. With a lower min.insync.replicas
 * the in-sync replicas may commit without those that are only eligible, which then lack committed records and are
 * eligible no more (KIP-966). With a higher one the leader must know of it before it may go on with a smaller ISR: until
 * then it would commit what those who left it, eligible from now on, do not have.
 */
function electionRecords(
  image: ClusterImage,
  topic: TopicImage,
  changes: readonly Change[],
  facts: ConfigFacts,
): MetadataRecord[] {
  const configs = new Map(topic.configs)
  for (const { op, key, value } of changes) {
    if (op === 'set') configs.set(key, value!)
    else configs.delete(key)
  }
  const before = electionTermsOf(topic, facts)
  const terms = electionTermsOf({ configs }, facts)
  const { minInsyncReplicas, isUncleanAllowed } = terms
  if (minInsyncReplicas === before.minInsyncReplicas && isUncleanAllowed === before.isUncleanAllowed) return []
  const candidates = candidatesIn(image)
  return topic.partitions.flatMap((partition, index): MetadataRecord[] => {
    const after = settle(withIsr(partition, partition.isr, minInsyncReplicas), candidates, terms)
    const change = standingChange(topic.id, index, partition, after)
    if (change !== null) return [change]
    const isHigher =
      facts.rules.tellsHigherMinIsr &&
      minIsrOf(partition, minInsyncReplicas) > minIsrOf(partition, before.minInsyncReplicas)
    return isHigher ? [newPartitionEpoch(topic.id, index)] : []
  })
}

function alterBroker(image: ClusterImage, { name, changes }: Resource, facts: ConfigFacts): MetadataRecord[] | Failure {
  const nodeId = /^(0|[1-9]\d{0,9})$/.test(name) ? toNodeId(Number(name)) : null
  if (nodeId === null) return invalid(`'${name.slice(0, 20)}' is not a node id.`)
  if (!image.brokers.has(nodeId)) {
    return { error: 'BROKER_ID_NOT_REGISTERED', message: `No broker ${nodeId} is registered.` }
  }
  for (const { op, key, value } of changes) {
    const fault = facts.validateBrokerConfig(key, op === 'set' ? value : null)
    if (fault !== null) return fault
  }
  return configRecords('broker', name, image.brokerConfigs.get(nodeId) ?? new Map(), changes)
}

/** Only what differs from what is set already. */
function configRecords(
  resourceType: 'topic' | 'broker',
  resource: string,
  configs: ReadonlyMap<string, string>,
  changes: readonly Change[],
): MetadataRecord[] {
  return changes.flatMap(({ op, key, value }): MetadataRecord[] => {
    const next = op === 'set' ? value! : null
    return (configs.get(key) ?? null) === next ? [] : [{ kind: 'config', resourceType, resource, key, value: next }]
  })
}
