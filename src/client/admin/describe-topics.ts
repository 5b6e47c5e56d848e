/** Joins what the cluster's metadata, the partitions' leaders and the configuration say about topics. */
import { describeConfigs } from '../../protocol/apis/index.ts'
import { ApiError, errorName, errorTable } from '../../protocol/errors.ts'
import { chunksOf, nameOf, type TopicPartition } from '../by-leader.ts'
import type { Cluster, MetadataResponse } from '../cluster.ts'
import { findOffsets, type OffsetQuery } from '../offsets.ts'
import type { AdminRequests } from './admin-requests.ts'
import { describeReplicas } from './partitions.ts'
import type { PartitionDescription, ReplicaDescription, TopicDescription } from './types.ts'

type TopicMetadataResponse = MetadataResponse['topics'][number]

/** With all their configs and partitions, an answer about so many topics stays far below the limits of a frame. */
const topicsPerRequest = 1_000

export interface DescribeOptions {
  readonly includeOffsets: boolean
  readonly includeReplicas: boolean
  readonly signal: AbortSignal
}

/** In the order of `names`. Throws `ApiError` when one of them is not there. */
export async function describeTopics(
  cluster: Cluster,
  requests: AdminRequests,
  names: readonly string[],
  options: DescribeOptions,
): Promise<TopicDescription[]> {
  const described: TopicDescription[] = []
  for (const some of chunksOf(names, topicsPerRequest)) {
    described.push(...(await describeSome(cluster, requests, some, options)))
  }
  return described
}

async function describeSome(
  cluster: Cluster,
  requests: AdminRequests,
  names: readonly string[],
  options: DescribeOptions,
): Promise<TopicDescription[]> {
  const topics = await requests.retry(async () => {
    const response = await cluster.fetchMetadata([...names])
    const byName = new Map(response.topics.map(topic => [topic.name, topic]))
    return names.map(name => existing(byName.get(name), name))
  })
  for (const name of names) cluster.want(name)
  await cluster.refresh()
  const [offsets, states, configs] = await Promise.all([
    options.includeOffsets ? offsetsOf(cluster, topics, options.signal) : null,
    options.includeReplicas ? statesOf(cluster, topics, options.signal) : null,
    configsOf(requests, names),
  ])
  return topics.map(topic => {
    const { own, minInsyncReplicas } = configs.get(topic.name)!
    const partitions = topic.partitions.map((partition): PartitionDescription => {
      const name = nameOf({ topic: topic.name, partition: partition.partition })
      return {
        partition: partition.partition,
        leader: partition.leaderId,
        leaderEpoch: partition.leaderEpoch,
        replicas: partition.replicas,
        isr: partition.isr,
        elr: partition.elr,
        offlineReplicas: partition.offlineReplicas,
        addingReplicas: partition.addingReplicas,
        removingReplicas: partition.removingReplicas,
        minInsyncReplicas: effectiveMinIsr(minInsyncReplicas, partition.replicas.length),
        logStartOffset: offsets?.get(name)?.start ?? null,
        highWatermark: offsets?.get(name)?.end ?? null,
        replicaStates: states?.get(name) ?? null,
      }
    })
    return { name: topic.name, topicId: topic.topicId, partitions, configs: own }
  })
}

/** As the controller counts: -1 stands for half of the replicas, rounded up, and a partition cannot need more than it has. */
function effectiveMinIsr(minInsyncReplicas: number, replicaCount: number): number {
  return minInsyncReplicas < 0 ? Math.ceil(replicaCount / 2) : Math.min(minInsyncReplicas, replicaCount)
}

function existing(topic: TopicMetadataResponse | undefined, name: string): TopicMetadataResponse {
  const code = topic === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : errorName(topic.errorCode)
  if (code === null) return topic!
  throw new ApiError(code, `topic '${name}': ${errorTable[code].message}`)
}

function ledOf(topics: readonly TopicMetadataResponse[]): TopicPartition[] {
  return topics.flatMap(({ name, partitions }) =>
    partitions.filter(({ leaderId }) => leaderId >= 0).map(({ partition }) => ({ topic: name, partition })),
  )
}

/** A leader that does not answer must not keep the rest from being described. */
function patience(cluster: Cluster, signal: AbortSignal): { timeoutMs: number; signal: AbortSignal } {
  return { timeoutMs: cluster.settings.connectTimeoutMs, signal }
}

async function offsetsOf(
  cluster: Cluster,
  topics: readonly TopicMetadataResponse[],
  signal: AbortSignal,
): Promise<Map<string, { start: number; end: number }>> {
  const led = ledOf(topics)
  const queries: OffsetQuery[] = [
    ...led.map(p => ({ ...p, at: 'start' as const })),
    ...led.map(p => ({ ...p, at: 'end' as const })),
  ]
  const answers = await findOffsets(cluster, queries, { isolationLevel: 0, ...patience(cluster, signal) })
  const found = new Map<string, { start: number; end: number }>()
  led.forEach((partition, i) => {
    const [start, end] = [answers[i]!, answers[led.length + i]!]
    if (isFound(start) && isFound(end)) found.set(nameOf(partition), { start: start.offset, end: end.offset })
  })
  return found
}

function isFound<A>(answer: A | ApiError): answer is A {
  return !(answer instanceof ApiError)
}

async function statesOf(
  cluster: Cluster,
  topics: readonly TopicMetadataResponse[],
  signal: AbortSignal,
): Promise<Map<string, readonly ReplicaDescription[]>> {
  const answers = await describeReplicas(cluster, ledOf(topics), patience(cluster, signal))
  return new Map(answers.filter(isFound).map(answer => [nameOf(answer), answer.replicas]))
}

interface TopicConfigs {
  /** Set on the topic itself. */
  readonly own: Record<string, string | null>
  readonly minInsyncReplicas: number
}

async function configsOf(requests: AdminRequests, names: readonly string[]): Promise<Map<string, TopicConfigs>> {
  const resources = names.map(name => ({ type: 'topic' as const, name, keys: null }))
  const response = await requests.ask(
    describeConfigs,
    readTimeoutMs => ({ resources, readTimeoutMs }),
    answer => answer.resources,
  )
  return new Map(
    response.resources.map(({ name, configs }) => {
      const own = configs.filter(config => config.source === 'topic').map(({ key, value }) => [key, value] as const)
      const minimum = configs.find(({ key }) => key === 'min.insync.replicas')?.value
      return [name, { own: Object.fromEntries(own), minInsyncReplicas: Number(minimum ?? 1) }]
    }),
  )
}
