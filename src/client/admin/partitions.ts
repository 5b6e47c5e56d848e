/** What an operator asks about who leads partitions and who holds them, and how far each replica is. */
import {
  alterPartitionReassignments,
  describeReplicas as describeReplicasApi,
  electLeaders as electLeadersApi,
  listPartitionReassignments as listPartitionReassignmentsApi,
} from '../../protocol/apis/index.ts'
import { ApiError, errorName } from '../../protocol/errors.ts'
import { askLeaders, nameOf, type TopicPartition } from '../by-leader.ts'
import type { Cluster } from '../cluster.ts'
import type { AdminRequests } from './admin-requests.ts'
import type {
  ElectedLeader,
  NewReassignment,
  PartitionReassignment,
  PartitionReplicas,
  ReplicaDescription,
} from './types.ts'

interface PartitionAnswer extends TopicPartition {
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** Throws for the partitions that were refused; one that has the leader it should have was not. */
export async function electLeaders(
  requests: AdminRequests,
  electionType: 'preferred' | 'unclean',
  asked: readonly TopicPartition[] | null,
): Promise<ElectedLeader[]> {
  const partitions = asked?.map(({ topic, partition }) => ({ topic, partition })) ?? null
  const [answer] = await requests.change(electLeadersApi, [{ electionType, partitions }], response =>
    named(response.partitions.filter(({ errorCode: code }) => !isNotNeeded(code))),
  )
  return answer!.partitions.map(({ topic, partition, errorCode: code, leaderId }) => ({
    topic,
    partition,
    isElected: !isNotNeeded(code),
    leader: isNotNeeded(code) ? null : leaderId,
  }))
}

export async function alterReassignments(requests: AdminRequests, moves: readonly NewReassignment[]): Promise<void> {
  const partitions = moves.map(({ topic, partition, replicas }) => ({
    topic,
    partition,
    replicas: replicas === null ? null : [...replicas],
  }))
  await requests.change(alterPartitionReassignments, [{ partitions }], response => named(response.partitions))
}

export async function listReassignments(
  requests: AdminRequests,
  topics: readonly string[] | null,
): Promise<PartitionReassignment[]> {
  const names = topics === null ? null : [...topics]
  const response = await requests.ask(listPartitionReassignmentsApi, readTimeoutMs => ({
    topics: names,
    readTimeoutMs,
  }))
  return response.partitions
}

/** In the order of `partitions`; an `ApiError` for one whose leader could not be asked. */
export async function describeReplicas(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<Array<PartitionReplicas | ApiError>> {
  const { readTimeoutMs: timeoutMs } = cluster
  const answers = await askLeaders(cluster, partitions, options, async (connection, routed) => {
    const body = routed.map(({ item: { topic, partition }, topicId }) => ({ topic, topicId, partition }))
    const request = { partitions: body }
    return (await connection.request(describeReplicasApi, request, { timeoutMs, signal: options.signal })).partitions
  })
  return answers.map(answer => {
    if (answer instanceof ApiError) return answer
    const { topic, partition, leaderEpoch, logStartOffset, highWatermark, logEndOffset } = answer
    const replicas = answer.replicas.map(replica => describedReplica(replica, logEndOffset))
    return { topic, partition, leaderEpoch, logStartOffset, highWatermark, logEndOffset, replicas }
  })
}

function describedReplica(
  replica: { nodeId: number; endOffset: number; isInSync: boolean; caughtUpAgoMs: number },
  logEndOffset: number,
): ReplicaDescription {
  const { nodeId, endOffset, isInSync, caughtUpAgoMs } = replica
  return {
    nodeId,
    endOffset: endOffset < 0 ? null : endOffset,
    lag: endOffset < 0 ? null : Math.max(0, logEndOffset - endOffset),
    isInSync,
    caughtUpAgoMs: caughtUpAgoMs < 0 ? null : caughtUpAgoMs,
  }
}

function named<A extends PartitionAnswer>(answers: readonly A[]): Array<A & { name: string }> {
  return answers.map(answer => ({ ...answer, name: nameOf(answer) }))
}

function isNotNeeded(code: number): boolean {
  return errorName(code) === 'ELECTION_NOT_NEEDED'
}
