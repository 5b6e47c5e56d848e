/** Joins what the cluster's metadata, the partitions' leaders and the configuration say about topics. */
import { describeConfigs } from '../../protocol/apis/index.ts'
import { ApiError, errorName, errorTable } from '../../protocol/errors.ts'
import { chunksOf } from '../by-leader.ts'
import type { Cluster, MetadataResponse } from '../cluster.ts'
import { type FoundOffset, findOffsets, type OffsetQuery } from '../offsets.ts'
import type { AdminRequests } from './admin-requests.ts'
import type { TopicDescription } from './types.ts'

type TopicMetadataResponse = MetadataResponse['topics'][number]

/** With all their configs and partitions, an answer about so many topics stays far below the limits of a frame. */
const topicsPerRequest = 1_000

/** In the order of `names`. Throws `ApiError` when one of them is not there. */
export async function describeTopics(
  cluster: Cluster,
  requests: AdminRequests,
  names: readonly string[],
): Promise<TopicDescription[]> {
  const described: TopicDescription[] = []
  for (const some of chunksOf(names, topicsPerRequest)) described.push(...(await describeSome(cluster, requests, some)))
  return described
}

async function describeSome(
  cluster: Cluster,
  requests: AdminRequests,
  names: readonly string[],
): Promise<TopicDescription[]> {
  const topics = await requests.retry(async () => {
    const response = await cluster.fetchMetadata([...names])
    const byName = new Map(response.topics.map(topic => [topic.name, topic]))
    return names.map(name => existing(byName.get(name), name))
  })
  for (const name of names) cluster.want(name)
  await cluster.refresh()
  const [offsets, configs] = await Promise.all([offsetsOf(cluster, topics), configsOf(requests, names)])
  return topics.map(topic => ({
    name: topic.name,
    topicId: topic.topicId,
    partitions: topic.partitions.map(partition => {
      const found = offsets.get(`${topic.name}-${partition.partition}`)
      return {
        partition: partition.partition,
        leader: partition.leaderId,
        leaderEpoch: partition.leaderEpoch,
        replicas: partition.replicas,
        isr: partition.isr,
        logStartOffset: found?.start ?? null,
        highWatermark: found?.end ?? null,
      }
    }),
    configs: configs.get(topic.name) ?? {},
  }))
}

function existing(topic: TopicMetadataResponse | undefined, name: string): TopicMetadataResponse {
  const code = topic === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : errorName(topic.errorCode)
  if (code === null) return topic!
  throw new ApiError(code, `topic '${name}': ${errorTable[code].message}`)
}

async function offsetsOf(
  cluster: Cluster,
  topics: readonly TopicMetadataResponse[],
): Promise<Map<string, { start: number; end: number }>> {
  const led = topics.flatMap(({ name, partitions }) =>
    partitions.filter(({ leaderId }) => leaderId >= 0).map(({ partition }) => ({ topic: name, partition })),
  )
  const queries: OffsetQuery[] = [
    ...led.map(p => ({ ...p, at: 'start' as const })),
    ...led.map(p => ({ ...p, at: 'end' as const })),
  ]
  // A leader that does not answer must not keep the rest from being described.
  const { connectTimeoutMs } = cluster.settings
  const options = { isolationLevel: 0, timeoutMs: connectTimeoutMs, signal: new AbortController().signal } as const
  const answers = await findOffsets(cluster, queries, options)
  const found = new Map<string, { start: number; end: number }>()
  led.forEach(({ topic, partition }, i) => {
    const [start, end] = [answers[i]!, answers[led.length + i]!]
    if (isFound(start) && isFound(end)) found.set(`${topic}-${partition}`, { start: start.offset, end: end.offset })
  })
  return found
}

function isFound(answer: FoundOffset | ApiError): answer is FoundOffset {
  return !(answer instanceof ApiError)
}

async function configsOf(
  requests: AdminRequests,
  names: readonly string[],
): Promise<Map<string, Record<string, string | null>>> {
  const resources = names.map(name => ({ type: 'topic' as const, name, keys: null }))
  const response = await requests.ask(
    describeConfigs,
    readTimeoutMs => ({ resources, readTimeoutMs }),
    answer => answer.resources,
  )
  return new Map(
    response.resources.map(({ name, configs }) => {
      const own = configs.filter(config => config.source === 'topic').map(({ key, value }) => [key, value] as const)
      return [name, Object.fromEntries(own)]
    }),
  )
}
