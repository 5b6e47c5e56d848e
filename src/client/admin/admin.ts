/**
 * The admin client. A request that changes metadata carries `{clientId, requestId}` and is retried with the same pair,
 * so that a retry after a lost answer is applied once and gets the first answer (Raft thesis, section 6.3).
 */
import {
  addRaftVoter,
  alterConfigs,
  createPartitions,
  createTopics,
  deleteRecords,
  deleteTopics,
  describeCluster,
  describeConfigs,
  describeQuorum,
  drainBroker,
  removeRaftVoter,
  transferLeadership,
} from '../../protocol/apis/index.ts'
import { ApiError } from '../../protocol/errors.ts'
import { AbortError } from '../../util/errors.ts'
import { askLeaders, chunksOf, type TopicPartition } from '../by-leader.ts'
import { Cluster } from '../cluster.ts'
import type { Connect } from '../connection.ts'
import { findOffsets, type OffsetQuery } from '../offsets.ts'
import { resolveClient, type WithPorts } from '../options.ts'
import { AdminRequests } from './admin-requests.ts'
import { describeTopics } from './describe-topics.ts'
import { alterReassignments, describeReplicas, electLeaders, listReassignments } from './partitions.ts'
import type {
  AdminOptions,
  ClusterDescription,
  ConfigChange,
  ConfigDescription,
  ConfigResource,
  CreatedTopic,
  DescribeTopicsRequest,
  ElectedLeader,
  FoundPartitionOffset,
  NewReassignment,
  NewTopic,
  PartitionOffset,
  PartitionReassignment,
  PartitionReplicas,
  QuorumDescription,
  TopicDescription,
  TopicListing,
} from './types.ts'

/** So many in one request keep the controller's turns short; with ten partitions each they are as many as it allows. */
const topicsPerChange = 1_000

/**
 * Administers a cluster. Every method rejects with `ApiError` when the cluster refuses: with the code of the first item
 * refused and a message that names all of them; the items that are not named were done.
 */
export class Admin implements AsyncDisposable {
  readonly #cluster: Cluster
  readonly #requests: AdminRequests
  readonly #closing = new AbortController()

  constructor(options: WithPorts<AdminOptions>, connect: Connect) {
    this.#cluster = new Cluster(resolveClient(options), connect, { allowAutoTopicCreation: false })
    this.#requests = new AdminRequests(this.#cluster, this.#closing.signal)
  }

  async createTopics(request: { topics: readonly NewTopic[]; validateOnly?: boolean }): Promise<CreatedTopic[]> {
    const topics = request.topics.map(topic => ({
      name: topic.name,
      numPartitions: topic.numPartitions ?? -1,
      replicationFactor: topic.replicationFactor ?? -1,
      assignments: topic.assignments?.map(replicas => [...replicas]) ?? null,
      configs: Object.entries(topic.configs ?? {}).map(([key, value]) => ({ key, value: String(value) })),
    }))
    const validateOnly = request.validateOnly ?? false
    const bodies = chunksOf(topics, topicsPerChange).map(some => ({ validateOnly, topics: some }))
    const answers = await this.#requests.change(createTopics, bodies, answer => answer.topics)
    return answers.flatMap(answer =>
      answer.topics.map(({ name, topicId, numPartitions, replicationFactor }) => ({
        name,
        topicId,
        numPartitions,
        replicationFactor,
      })),
    )
  }

  async deleteTopics(request: { topics: readonly string[] }): Promise<void> {
    const topics = request.topics.map(name => ({ name, topicId: null }))
    const bodies = chunksOf(topics, topicsPerChange).map(some => ({ topics: some }))
    await this.#requests.change(deleteTopics, bodies, answer => answer.topics)
  }

  /** `count`: how many partitions each topic shall have in the end. */
  async createPartitions(request: {
    topics: readonly { name: string; count: number; assignments?: readonly (readonly number[])[] | undefined }[]
    validateOnly?: boolean
  }): Promise<void> {
    const topics = request.topics.map(({ name, count, assignments }) => ({
      name,
      count,
      assignments: assignments?.map(replicas => [...replicas]) ?? null,
    }))
    const validateOnly = request.validateOnly ?? false
    await this.#requests.change(createPartitions, [{ validateOnly, topics }], answer => answer.topics)
  }

  /** All topics that exist at the time of the call, sorted by name; without those the cluster keeps for itself unless asked for. */
  async listTopics(request: { includeInternal?: boolean } = {}): Promise<TopicListing[]> {
    const { topics } = await this.#requests.retry(() => this.#cluster.fetchMetadata(null))
    return topics
      .filter(topic => topic.errorCode === 0 && (request.includeInternal === true || !topic.isInternal))
      .map(({ name, topicId, isInternal, partitions }) => ({
        name,
        topicId,
        isInternal,
        partitionCount: partitions.length,
        replicationFactor: partitions[0]?.replicas.length ?? 0,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Topics with leaders, replicas, offsets and the configs set on them. */
  async describeTopics(request: DescribeTopicsRequest = {}): Promise<TopicDescription[]> {
    const names = request.topics ?? (await this.listTopics()).map(topic => topic.name)
    return describeTopics(this.#cluster, this.#requests, names, {
      includeOffsets: request.includeOffsets ?? true,
      includeReplicas: request.includeReplicas ?? false,
      signal: this.#closing.signal,
    })
  }

  /** How far each replica of the partitions is, as their leaders know it, in the order asked for. */
  async describeReplicas(request: { partitions: readonly TopicPartition[] }): Promise<PartitionReplicas[]> {
    const timeoutMs = this.#cluster.settings.requestTimeoutMs
    const options = { timeoutMs, signal: this.#closing.signal }
    return withoutErrors(await describeReplicas(this.#cluster, request.partitions, options))
  }

  /**
   * Gives partitions back to their preferred leaders, the first of their replicas. `type: 'unclean'`: where nobody in sync
   * or eligible is left, makes any living replica lead, which may lack acknowledged records: they are lost. By default for
   * all partitions that need it; resolves with those that changed, or with one entry per partition asked for.
   */
  electLeaders(
    request: { type?: 'preferred' | 'unclean'; partitions?: readonly TopicPartition[] } = {},
  ): Promise<ElectedLeader[]> {
    return electLeaders(this.#requests, request.type ?? 'preferred', request.partitions ?? null)
  }

  /**
   * Begins to move partitions to other brokers, or gives moves up. Resolves when that is decided, not when the records are
   * there: `listPartitionReassignments` says what is under way.
   */
  alterPartitionReassignments(request: { partitions: readonly NewReassignment[] }): Promise<void> {
    return alterReassignments(this.#requests, request.partitions)
  }

  /** The moves that are under way, of all topics by default, sorted by topic and partition. */
  listPartitionReassignments(request: { topics?: readonly string[] } = {}): Promise<PartitionReassignment[]> {
    return listReassignments(this.#requests, request.topics ?? null)
  }

  /**
   * Relieves a broker of all it leads, and keeps it so until told otherwise (`isDraining: false`) or until it registers
   * anew; it goes on following. Resolves with how many partitions it leads still, because nobody else in sync is
   * available: ask again.
   */
  async drainBroker(request: { nodeId: number; isDraining?: boolean }): Promise<{ leaderCount: number }> {
    const { nodeId, isDraining = true } = request
    const [answer] = await this.#requests.change(drainBroker, [{ nodeId, isDraining }], () => [])
    return answer!
  }

  /** The effective configuration of each resource, in the order asked for. `keys`: only these. */
  async describeConfigs(request: {
    resources: readonly (ConfigResource & { keys?: readonly string[] | undefined })[]
  }): Promise<Array<ConfigResource & { readonly configs: readonly ConfigDescription[] }>> {
    const resources = request.resources.map(({ type, name, keys }) => ({ type, name, keys: keys ? [...keys] : null }))
    // A broker's own configuration is known only where it was read.
    const nodeIds = [...new Set(resources.map(nodeIdOf))]
    const answers = await Promise.all(
      nodeIds.map(nodeId => {
        const its = resources.filter(resource => nodeIdOf(resource) === nodeId)
        const bodyOf = (readTimeoutMs: number) => ({ resources: its, readTimeoutMs })
        return this.#requests.ask(describeConfigs, bodyOf, answer => answer.resources, nodeId)
      }),
    )
    const inTurn = nodeIds.map((nodeId, at) => [nodeId, answers[at]!.resources.values()] as const)
    const answersOf = new Map(inTurn)
    return resources.map(resource => {
      const { type, name, configs } = answersOf.get(nodeIdOf(resource))!.next().value!
      return { type, name, configs }
    })
  }

  /** Sets or deletes single configs; those not named stay. All changes of a resource are made, or none. */
  async alterConfigs(request: {
    resources: readonly (ConfigResource & { changes: readonly ConfigChange[] })[]
    validateOnly?: boolean
  }): Promise<void> {
    const resources = request.resources.map(({ type, name, changes }) => ({
      type,
      name,
      changes: changes.map(({ op, key, value }) => ({ op, key, value: value === undefined ? null : String(value) })),
    }))
    const validateOnly = request.validateOnly ?? false
    await this.#requests.change(alterConfigs, [{ validateOnly, resources }], answer => answer.resources)
  }

  /** Deletes the records below `offset` of each partition (-1: all). Returns the log start offsets. */
  async deleteRecords(request: { partitions: readonly PartitionOffset[] }): Promise<PartitionOffset[]> {
    const timeoutMs = this.#cluster.settings.requestTimeoutMs
    const { signal } = this.#closing
    const answers = await askLeaders(
      this.#cluster,
      request.partitions,
      { timeoutMs, signal },
      async (connection, routed) => {
        const partitions = routed.map(({ item, topicId }) => ({
          topic: item.topic,
          topicId,
          partition: item.partition,
          offset: item.offset,
        }))
        return (await connection.request(deleteRecords, { timeoutMs, partitions }, { signal })).partitions
      },
    )
    return withoutErrors(answers).map(answer => ({
      topic: answer.topic,
      partition: answer.partition,
      offset: answer.logStartOffset,
    }))
  }

  /** Offsets by position or time. `offset` is -1 when no record is that young. */
  async listOffsets(request: {
    partitions: readonly OffsetQuery[]
    isolationLevel?: 'read_uncommitted' | 'read_committed'
  }): Promise<FoundPartitionOffset[]> {
    const answers = await findOffsets(this.#cluster, request.partitions, {
      isolationLevel: request.isolationLevel === 'read_committed' ? 1 : 0,
      timeoutMs: this.#cluster.settings.requestTimeoutMs,
      signal: this.#closing.signal,
    })
    return withoutErrors(answers).map(({ offset, timestamp, leaderEpoch }, i) => {
      const { topic, partition } = request.partitions[i]!
      return { topic, partition, offset, timestamp, leaderEpoch }
    })
  }

  describeCluster(): Promise<ClusterDescription> {
    return this.#requests.ask(describeCluster, readTimeoutMs => ({ readTimeoutMs }))
  }

  describeQuorum(): Promise<QuorumDescription> {
    return this.#requests.ask(describeQuorum, timeoutMs => ({ timeoutMs }))
  }

  /**
   * Makes a running node a voter of the controller quorum and resolves when it is. `url`: its peer listener, not needed
   * for a node that follows the quorum already. `timeoutMs`: for all of it, catching up included.
   */
  async addVoter(request: { id: number; url?: string | null; timeoutMs?: number }): Promise<void> {
    const { id, url = null } = request
    await this.#requests.changeQuorum(addRaftVoter, timeoutMs => ({ id, url, timeoutMs }), request)
  }

  /** Takes a voter out of the controller quorum and resolves when it is out. */
  async removeVoter(request: { id: number; timeoutMs?: number }): Promise<void> {
    const { id } = request
    await this.#requests.changeQuorum(removeRaftVoter, timeoutMs => ({ id, timeoutMs }), {
      ...request,
      whenRepeated: error => (error.code === 'VOTER_NOT_FOUND' ? {} : null),
    })
  }

  /** Makes another voter lead the quorum: `to`, or whoever has the most of the log. Resolves with who leads then. */
  async transferLeadership(request: { to?: number; timeoutMs?: number } = {}): Promise<{ leaderId: number }> {
    const { to = null } = request
    return this.#requests.changeQuorum(transferLeadership, timeoutMs => ({ to, timeoutMs }), request)
  }

  async close(): Promise<void> {
    this.#closing.abort(new AbortError('the admin client is closed'))
    await this.#cluster.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** The broker that must be asked about a resource; `null` for whoever has the metadata. */
function nodeIdOf({ type, name }: ConfigResource): number | null {
  return type === 'broker' && /^\d+$/.test(name) ? Number(name) : null
}

/** The answers if all are; else throws an `ApiError` about those that are not. */
function withoutErrors<A>(answers: ReadonlyArray<A | ApiError>): A[] {
  const errors = answers.filter(answer => answer instanceof ApiError)
  const [first] = errors
  if (first === undefined) return answers as A[]
  throw new ApiError(first.code, errors.map(error => error.message).join('; '), { cause: first })
}
