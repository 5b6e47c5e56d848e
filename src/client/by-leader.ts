/**
 * Requests about partitions go to their leaders: groups the partitions by leader, asks all leaders at once, and asks
 * again, after a refresh and a backoff, for those whose leader moved, until a deadline.
 */
import { limits } from '../protocol/common.ts'
import { ApiError, errorName, errorTable } from '../protocol/errors.ts'
import { type Cluster, isRetriable, type PartitionMetadata } from './cluster.ts'
import type { Connection } from './connection.ts'
import { backoffDelayMs, sleep } from './wait.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A partition to ask about, with what the view says of its leader. */
export interface Routed<Item> {
  readonly item: Item
  readonly topicId: string | null
  readonly leader: PartitionMetadata
}

interface Answer {
  readonly errorCode: number
  readonly errorMessage: string | null
}

/**
 * The answers in the order of `items`; an item's answer is an `ApiError` when it was refused for good or not answered
 * in time. `ask` sends one request for the items of one leader and returns their answers in order.
 */
export async function askLeaders<Item extends TopicPartition, A extends Answer>(
  cluster: Cluster,
  items: readonly Item[],
  options: { timeoutMs: number; signal: AbortSignal },
  ask: (connection: Connection, routed: readonly Routed<Item>[]) => Promise<readonly A[]>,
): Promise<Array<A | ApiError>> {
  const { clock, random } = cluster.settings
  const deadlineMs = clock.nowMs() + options.timeoutMs
  // What no node has heard of by then is not there.
  const knownByMs = Math.min(deadlineMs, clock.nowMs() + cluster.settings.metadataTimeoutMs)
  const topics = new Set(items.map(item => item.topic))
  const results = new Array<A | ApiError>(items.length)
  for (const topic of topics) {
    if (cluster.topic(topic) === null) await cluster.topicReady(topic)
  }
  let left = items.map((_, index) => index)
  for (let failures = 1; ; failures++) {
    await askOnce(cluster, items, left, results, ask)
    const nowMs = clock.nowMs()
    left = left.filter(
      index => isRetriable(results[index]) && nowMs < (isUnknown(results[index]) ? knownByMs : deadlineMs),
    )
    if (left.length === 0) return results
    await sleep(clock, backoffDelayMs(cluster.settings, failures, random), options.signal)
    // A node that cannot be reached now may be by the next round, which says so otherwise.
    await cluster.refresh().catch(() => {})
  }
}

function isUnknown(result: unknown): boolean {
  return result instanceof ApiError && result.code === 'UNKNOWN_TOPIC_OR_PARTITION'
}

async function askOnce<Item extends TopicPartition, A extends Answer>(
  cluster: Cluster,
  items: readonly Item[],
  indexes: readonly number[],
  results: Array<A | ApiError>,
  ask: (connection: Connection, routed: readonly Routed<Item>[]) => Promise<readonly A[]>,
): Promise<void> {
  const byLeader = new Map<number, number[]>()
  for (const index of indexes) {
    const { topic, partition } = items[index]!
    const leader = cluster.leader(topic, partition)
    if (leader === null) results[index] = noLeader(cluster, items[index]!)
    else {
      const group = byLeader.get(leader.leaderId)
      if (group === undefined) byLeader.set(leader.leaderId, [index])
      else group.push(index)
    }
  }
  const groups = [...byLeader].flatMap(([leaderId, group]) =>
    chunksOf(group, limits.items).map(g => [leaderId, g] as const),
  )
  const asked = groups.map(async ([leaderId, group]) => {
    let connection: Connection | null = null
    try {
      connection = await cluster.nodes.connectTo(leaderId)
      const routed = group.map(index => {
        const item = items[index]!
        const { topicId } = cluster.topic(item.topic)!
        return { item, topicId, leader: cluster.leader(item.topic, item.partition)! }
      })
      const answers = await ask(connection, routed)
      group.forEach((index, i) => {
        results[index] = outcomeOf(items[index]!, answers[i])
      })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      // It stands still, or nobody is there any more: should it lead again, it is asked over another connection.
      if (error.code === 'REQUEST_TIMED_OUT' && connection !== null) cluster.nodes.discard(connection)
      for (const index of group) results[index] = error
    }
  })
  await Promise.all(asked)
}

/** Consecutive parts of at most `sizeMax` items. */
export function chunksOf<T>(items: readonly T[], sizeMax: number): T[][] {
  const chunks: T[][] = []
  for (let at = 0; at < items.length; at += sizeMax) chunks.push(items.slice(at, at + sizeMax))
  return chunks
}

function outcomeOf<A extends Answer>(item: TopicPartition, answer: A | undefined): A | ApiError {
  if (answer === undefined) return new ApiError('UNKNOWN_SERVER_ERROR', `${nameOf(item)}: the answer leaves it out`)
  const code = errorName(answer.errorCode)
  return code === null
    ? answer
    : new ApiError(code, `${nameOf(item)}: ${answer.errorMessage ?? errorTable[code].message}`)
}

function noLeader(cluster: Cluster, item: TopicPartition): ApiError {
  const topic = cluster.topic(item.topic)
  if (topic?.partitions[item.partition] === undefined) {
    const count = topic === null ? 'the topic is gone' : `the topic has ${topic.partitions.length} partitions`
    return new ApiError('UNKNOWN_TOPIC_OR_PARTITION', `${nameOf(item)}: there is no such partition; ${count}`)
  }
  return new ApiError('LEADER_NOT_AVAILABLE', `${nameOf(item)}: ${errorTable.LEADER_NOT_AVAILABLE.message}`)
}

/** As people write a partition: `topic-0`. */
export function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}
