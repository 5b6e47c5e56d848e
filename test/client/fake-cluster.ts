/**
 * A cluster without a wire: speaks request and response bodies through fake connections, keeps real record batches,
 * and can be told to move leaders, break connections, refuse, delay, kill and freeze nodes. Requests of a connection
 * arrive in order after a random delay and are answered after another. Followers have everything at once unless a test
 * says otherwise.
 */

import { SendOrder } from '../../src/broker/send-order.ts'
import type { Connect, Connection } from '../../src/client/connection.ts'
import { nodeCodecs } from '../../src/platform/codecs.ts'
import type { Api, RequestOf, ResponseOf } from '../../src/protocol/api.ts'
import * as apis from '../../src/protocol/apis/index.ts'
import { decodeBatch } from '../../src/protocol/batch/decoder.ts'
import { patchBatch, readBatchHeader } from '../../src/protocol/batch/header.ts'
import type { DecodedRecord } from '../../src/protocol/batch/types.ts'
import { ApiError, type ErrorName, errorCode } from '../../src/protocol/errors.ts'
import type { Random } from '../../src/util/random.ts'
import type { VirtualClock } from './virtual-clock.ts'

type ProduceRequest = RequestOf<typeof apis.produce>
type FetchRequest = RequestOf<typeof apis.fetch>

export interface FakePartition {
  leaderId: number
  leaderEpoch: number
  logStartOffset: number
  endOffset: number
  /** End of what the leader, and of what followers know to be committed; `null`: everything. */
  highWatermark: number | null
  followerEnd: number | null
  batches: Uint8Array[]
  /** All records in the order they were appended. */
  records: DecodedRecord[]
}

export type LogCopy = Readonly<Pick<FakePartition, 'batches' | 'records' | 'endOffset'>>

interface FakeTopic {
  topicId: string
  partitions: FakePartition[]
}

/** What happens to a request: `before`: lost on the way; `after`: done, but the answer is lost. */
export type Fault = 'none' | 'break before' | 'break after' | ErrorName

export class FakeCluster {
  readonly clock: VirtualClock
  readonly random: Random
  readonly topics = new Map<string, FakeTopic>()
  readonly downNodes = new Set<number>()
  /**
   * Stand still, as a process that was stopped: connections to them stay as they are, what arrives is served once they
   * go on (`thaw`), and a new connection is given up after five seconds.
   */
  readonly frozenNodes = new Set<number>()
  readonly #thawing = new Map<number, Array<() => void>>()
  /** Not named as brokers, as the controller does with those it has not heard of. */
  readonly fencedNodes = new Set<number>()
  /** For whoever reads with a rack: the replica the leader names. -1 for none. */
  preferredReplica = -1
  readonly connections = new Set<FakeConnection>()
  /** As brokers keep it. */
  readonly #sendOrder = new SendOrder()
  nodeCount: number
  /** Longest delay of a message, each way. */
  latencyMsMax = 3
  /** Asked for every request that arrives. */
  faultOf: (api: Api, body: unknown) => Fault = () => 'none'
  /** Batches larger than this are refused. */
  messageBytesMax = Number.POSITIVE_INFINITY
  /** Every request that arrived, in order. */
  readonly requests: Array<{ api: string; nodeId: number; body: unknown }> = []
  /** Serves what is not built in. */
  readonly handlers = new Map<string, (body: never, nodeId: number) => unknown>()
  /** Answers are withheld while this holds. */
  isSilent: (api: Api) => boolean = () => false
  controllerId = 1

  constructor(clock: VirtualClock, random: Random, nodeCount = 1) {
    this.clock = clock
    this.random = random
    this.nodeCount = nodeCount
  }

  createTopic(name: string, partitionCount: number, topicId = `id-of-${name}`): void {
    const partitions = Array.from({ length: partitionCount }, (_, i) => this.#newPartition(i))
    this.topics.set(name, { topicId, partitions })
  }

  addPartition(topic: string): void {
    const { partitions } = this.topics.get(topic)!
    partitions.push(this.#newPartition(partitions.length))
  }

  partition(topic: string, partition: number): FakePartition {
    return this.topics.get(topic)!.partitions[partition]!
  }

  /** A new leader of the partition, under a new epoch. */
  moveLeader(topic: string, partition: number, leaderId: number): void {
    const found = this.partition(topic, partition)
    found.leaderId = leaderId
    found.leaderEpoch++
  }

  /** An unclean election: what stands at `offset` and above is gone, under a new epoch. Returns where the log ends. */
  truncate(topic: string, partition: number, offset: number, leaderId: number): number {
    const found = this.partition(topic, partition)
    found.batches = found.batches.filter(batch => nextOf(batch) <= offset)
    const last = found.batches.at(-1)
    found.endOffset = last === undefined ? found.logStartOffset : nextOf(last)
    found.records = found.records.filter(record => record.offset < found.endOffset)
    this.moveLeader(topic, partition, leaderId)
    return found.endOffset
  }

  /** What a replica has that is left behind from now on. */
  copyLog(topic: string, partition: number): LogCopy {
    const { batches, records, endOffset } = this.partition(topic, partition)
    return { batches: [...batches], records: [...records], endOffset }
  }

  /** An unclean election of a replica that was left behind: the log is as it was then, under a new epoch. */
  restoreLog(topic: string, partition: number, { batches, records, endOffset }: LogCopy, leaderId: number): void {
    const found = this.partition(topic, partition)
    Object.assign(found, { batches: [...batches], records: [...records], endOffset })
    this.moveLeader(topic, partition, leaderId)
  }

  /** The process ends: its connections break, and others are refused. */
  kill(nodeId: number): void {
    this.downNodes.add(nodeId)
    this.breakConnections(nodeId)
  }

  /** What the controller does once it misses a broker: all it leads gets the next node as leader. */
  failOver(nodeId: number): void {
    this.fencedNodes.add(nodeId)
    const successor = (nodeId % this.nodeCount) + 1
    for (const [name, { partitions }] of this.topics) {
      for (const [i, partition] of partitions.entries()) {
        if (partition.leaderId === nodeId) this.moveLeader(name, i, successor)
      }
    }
  }

  /** A node stands still, is replaced, and goes on as if nothing had been. Not while another one does. */
  freezeForAWhile(nodeId: number): void {
    if (this.frozenNodes.size > 0) return
    this.frozenNodes.add(nodeId)
    this.clock.setTimer(1_500, () => this.failOver(nodeId))
    this.clock.setTimer(3_000, () => {
      this.thaw(nodeId)
      this.fencedNodes.delete(nodeId)
    })
  }

  /** A frozen node goes on, with all that has arrived meanwhile. */
  thaw(nodeId: number): void {
    this.frozenNodes.delete(nodeId)
    for (const go of this.#thawing.get(nodeId)?.splice(0) ?? []) go()
  }

  onThaw(nodeId: number, go: () => void): void {
    const waiting = this.#thawing.get(nodeId) ?? []
    this.#thawing.set(nodeId, waiting)
    waiting.push(go)
  }

  breakConnections(nodeId: number): void {
    for (const connection of this.connections) if (connection.nodeId === nodeId) connection.break()
  }

  readonly urlOf = (nodeId: number): string => `ws://node-${nodeId}:9292`

  readonly connect: Connect = async (url, signal) => {
    await this.delay()
    signal.throwIfAborted()
    const nodeId = Number(/node-(\d+)/.exec(url)?.[1])
    if (!(nodeId >= 1 && nodeId <= this.nodeCount) || this.downNodes.has(nodeId)) {
      throw new ApiError('NETWORK_EXCEPTION', 'connection refused')
    }
    if (this.frozenNodes.has(nodeId)) {
      await new Promise<void>(resolve => this.clock.setTimer(5_000, resolve))
      throw new ApiError('NETWORK_EXCEPTION', 'no answer')
    }
    const connection = new FakeConnection(this, nodeId, url)
    this.connections.add(connection)
    return connection
  }

  delay(): Promise<void> {
    return new Promise(resolve => {
      this.clock.setTimer(this.random.nextFloat() * this.latencyMsMax, resolve)
    })
  }

  /** Serves a request that has arrived at `nodeId`. */
  handle(api: Api, body: unknown, { nodeId, origin }: FakeConnection): unknown {
    const other = this.handlers.get(api.name)
    if (other !== undefined) return other(body as never, nodeId)
    if (api.key === apis.metadata.key) return this.#metadata(body as RequestOf<typeof apis.metadata>)
    if (api.key === apis.produce.key) return this.#produce(body as ProduceRequest, nodeId, origin)
    if (api.key === apis.fetch.key) return this.#fetch(body as FetchRequest, nodeId)
    if (api.key === apis.listOffsets.key) return this.#listOffsets(body as RequestOf<typeof apis.listOffsets>, nodeId)
    throw new ApiError('UNSUPPORTED_VERSION')
  }

  #newPartition(index: number): FakePartition {
    return {
      leaderId: (index % this.nodeCount) + 1,
      leaderEpoch: 1,
      logStartOffset: 0,
      endOffset: 0,
      highWatermark: null,
      followerEnd: null,
      batches: [],
      records: [],
    }
  }

  #metadata(request: RequestOf<typeof apis.metadata>): ResponseOf<typeof apis.metadata> {
    const nodeIds = Array.from({ length: this.nodeCount }, (_, i) => i + 1)
    return {
      clusterId: 'fake',
      controllerId: this.controllerId,
      brokers: nodeIds
        .filter(nodeId => !this.fencedNodes.has(nodeId))
        .map(nodeId => ({ nodeId, url: this.urlOf(nodeId), rack: null })),
      topics: (request.topics ?? [...this.topics.keys()]).map(name => {
        const topic = this.topics.get(name)
        if (topic === undefined) {
          return {
            errorCode: errorCode('UNKNOWN_TOPIC_OR_PARTITION'),
            name,
            topicId: null,
            isInternal: false,
            partitions: [],
          }
        }
        const partitions = topic.partitions.map(({ leaderId, leaderEpoch }, partition) => ({
          errorCode: 0,
          partition,
          leaderId,
          leaderEpoch,
          replicas: nodeIds,
          isr: nodeIds,
          offlineReplicas: [],
          elr: [],
          addingReplicas: [],
          removingReplicas: [],
        }))
        return { errorCode: 0, name, topicId: topic.topicId, isInternal: false, partitions }
      }),
    }
  }

  #check(
    at: { topic: string; topicId: string | null; partition: number; leaderEpoch: number },
    nodeId: number,
    isFollowerAllowed = false,
  ): ErrorName | null {
    const topic = this.topics.get(at.topic)
    const found = topic?.partitions[at.partition]
    if (found === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
    if (at.topicId !== null && at.topicId !== topic!.topicId) return 'UNKNOWN_TOPIC_ID'
    if (at.leaderEpoch >= 0 && at.leaderEpoch < found.leaderEpoch) return 'FENCED_LEADER_EPOCH'
    if (found.leaderId !== nodeId && !isFollowerAllowed) return 'NOT_LEADER_OR_FOLLOWER'
    return null
  }

  /** Faults by partition: `faultOf` is asked with the single partition. */
  partitionFault: (topic: string, partition: number, records: Uint8Array, nodeId: number) => ErrorName | null = () =>
    null

  #produce(request: ProduceRequest, nodeId: number, origin: FakeConnection['origin']): ResponseOf<typeof apis.produce> {
    const partitions = request.partitions.map(item => {
      const { topic, partition } = item
      const records = item.records as Uint8Array
      const refused =
        (this.#sendOrder.isBehindRefused(origin, item) ? 'OPERATION_NOT_ATTEMPTED' : null) ??
        this.#check(item, nodeId) ??
        (records.length > this.messageBytesMax ? 'MESSAGE_TOO_LARGE' : null) ??
        this.partitionFault(topic, partition, records, nodeId)
      const base = { topic, partition, logAppendTimeMs: -1, logStartOffset: 0 }
      if (refused !== null) {
        this.#sendOrder.onRefused(origin, item, refused)
        return { ...base, errorCode: errorCode(refused), errorMessage: null, baseOffset: -1 }
      }
      return { ...base, errorCode: 0, errorMessage: null, baseOffset: this.append(topic, partition, records) }
    })
    return { partitions }
  }

  /** Appends a batch as a leader does; returns its base offset. */
  append(topic: string, partition: number, records: Uint8Array): number {
    const found = this.partition(topic, partition)
    const batch = records.slice()
    const baseOffset = found.endOffset
    patchBatch(batch, 0, baseOffset, found.leaderEpoch)
    const decoded = decodeBatch(batch, nodeCodecs) as DecodedRecord[]
    found.batches.push(batch)
    found.records.push(...decoded)
    found.endOffset += readBatchHeader(batch, 0).lastOffsetDelta + 1
    return baseOffset
  }

  #fetch(request: FetchRequest, nodeId: number): ResponseOf<typeof apis.fetch> {
    let budget = request.maxBytes
    const partitions = request.partitions.map(item => {
      const { topic, partition, fetchOffset } = item
      const check = this.#check(item, nodeId, request.rack !== null)
      const fault = check ?? this.partitionFault(topic, partition, new Uint8Array(0), nodeId)
      const failed = (code: ErrorName) => ({
        topic,
        partition,
        errorCode: errorCode(code),
        errorMessage: null,
        highWatermark: -1,
        lastStableOffset: -1,
        logStartOffset: -1,
        records: new Uint8Array(0),
        preferredReadReplica: -1,
        divergingEpoch: null,
      })
      if (fault !== null) return failed(fault)
      const found = this.partition(topic, partition)
      const isFollower = found.leaderId !== nodeId
      const divergingEpoch = divergence(found, fetchOffset, item.lastFetchedEpoch)
      if (divergingEpoch !== null) return { ...failed('UNKNOWN_SERVER_ERROR'), errorCode: 0, divergingEpoch }
      if (fetchOffset < found.logStartOffset || fetchOffset > found.endOffset) {
        return failed(isFollower ? 'OFFSET_NOT_AVAILABLE' : 'OFFSET_OUT_OF_RANGE')
      }
      const readableEnd = (isFollower ? found.followerEnd : found.highWatermark) ?? found.endOffset
      if (fetchOffset > readableEnd && isFollower) return failed('OFFSET_NOT_AVAILABLE')
      const ends = {
        highWatermark: readableEnd,
        lastStableOffset: readableEnd,
        logStartOffset: found.logStartOffset,
      }
      const answer = { topic, partition, errorCode: 0, errorMessage: null, ...ends }
      const { preferredReplica } = this
      if (request.rack !== null && !isFollower && preferredReplica >= 0 && preferredReplica !== nodeId) {
        return { ...answer, records: new Uint8Array(0), preferredReadReplica: preferredReplica, divergingEpoch }
      }
      const taken: Uint8Array[] = []
      let partitionBudget = Math.min(item.maxBytes, budget)
      for (const batch of found.batches) {
        const { baseOffset, lastOffsetDelta } = readBatchHeader(batch, 0)
        if (baseOffset + lastOffsetDelta < fetchOffset || baseOffset >= readableEnd) continue
        if (batch.length > partitionBudget && taken.length > 0) break
        if (budget <= 0) break
        taken.push(batch)
        partitionBudget -= batch.length
        budget -= batch.length
      }
      const records = new Uint8Array(Buffer.concat(taken))
      return { ...answer, records, preferredReadReplica: -1, divergingEpoch }
    })
    return { partitions }
  }

  #listOffsets(request: RequestOf<typeof apis.listOffsets>, nodeId: number): ResponseOf<typeof apis.listOffsets> {
    const partitions = request.partitions.map(item => {
      const { topic, partition, timestamp } = item
      const fault = this.#check(item, nodeId)
      const base = { topic, partition, errorMessage: null, leaderEpoch: 1 }
      if (fault !== null) return { ...base, errorCode: errorCode(fault), offset: -1, timestamp: -1 }
      const found = this.partition(topic, partition)
      const record = found.records.find(r => r.offset >= found.logStartOffset && r.timestamp >= timestamp)
      const byTime = { offset: record?.offset ?? -1, timestamp: record?.timestamp ?? -1 }
      const at =
        timestamp === -2
          ? { offset: found.logStartOffset, timestamp: -1 }
          : timestamp === -1
            ? { offset: found.endOffset, timestamp: -1 }
            : byTime
      return { ...base, errorCode: 0, ...at }
    })
    return { partitions }
  }
}

function nextOf(batch: Uint8Array): number {
  const { baseOffset, lastOffsetDelta } = readBatchHeader(batch, 0)
  return baseOffset + lastOffsetDelta + 1
}

/** As Kafka's leaders answer; exact, because the fake has every batch. */
function divergence({ batches }: FakePartition, fetchOffset: number, lastEpoch: number) {
  const before = batches.filter(batch => readBatchHeader(batch, 0).baseOffset < fetchOffset)
  const epochOf = (batch: Uint8Array): number => readBatchHeader(batch, 0).leaderEpoch
  const last = before.at(-1)
  if (lastEpoch < 0 || (last !== undefined && nextOf(last) >= fetchOffset && epochOf(last) === lastEpoch)) return null
  const floor = before.findLast(batch => epochOf(batch) <= lastEpoch)
  return { epoch: floor === undefined ? -1 : epochOf(floor), endOffset: floor === undefined ? 0 : nextOf(floor) }
}

type FetchResponse = ResponseOf<typeof apis.fetch>

function isEmpty(response: FetchResponse): boolean {
  return response.partitions.every(
    ({ errorCode: code, records, preferredReadReplica, divergingEpoch }) =>
      code === 0 && records.length === 0 && preferredReadReplica < 0 && divergingEpoch === null,
  )
}

interface Waiting {
  readonly fail: (error: Error) => void
}

export class FakeConnection implements Connection {
  readonly url: string
  readonly nodeId: number
  isClosed = false
  readonly #gone = new AbortController()
  /** What the nodes know of it. */
  readonly origin = { signal: this.#gone.signal }
  readonly #cluster: FakeCluster
  readonly #waiting = new Set<Waiting>()
  readonly #closeListeners: Array<(reason: Error) => void> = []
  #arrival: Promise<void> = Promise.resolve()
  #lastAnswer: Promise<void> = Promise.resolve()
  /** While set, `whenWritable` says so. */
  blockedUntil: Promise<void> | null = null

  constructor(cluster: FakeCluster, nodeId: number, url: string) {
    this.#cluster = cluster
    this.nodeId = nodeId
    this.url = url
  }

  request<Q, S>(api: Api<Q, S>, body: Q, options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<S> {
    return new Promise<S>((resolve, reject) => {
      if (this.isClosed) return reject(new ApiError('NETWORK_EXCEPTION', 'closed'))
      const waiting: Waiting = { fail: error => done(() => reject(error)) }
      this.#waiting.add(waiting)
      const timer = this.#cluster.clock.setTimer(options.timeoutMs ?? 30_000, () => {
        waiting.fail(new ApiError('REQUEST_TIMED_OUT', 'no answer'))
      })
      const done = (settle: () => void): void => {
        timer.cancel()
        options.signal?.removeEventListener('abort', onAbort)
        if (this.#waiting.delete(waiting)) settle()
      }
      const onAbort = (): void => done(() => reject(options.signal!.reason as Error))
      options.signal?.addEventListener('abort', onAbort, { once: true })
      this.#deliver(api as unknown as Api, body, (error, response) =>
        done(() => (error === null ? resolve(response as S) : reject(error))),
      )
    })
  }

  requestNoResponse<Q>(api: Api<Q, unknown>, body: Q): void {
    if (this.isClosed) throw new ApiError('NETWORK_EXCEPTION', 'closed')
    this.#deliver(api as unknown as Api, body, () => {})
  }

  whenWritable(): Promise<void> | null {
    return this.blockedUntil
  }

  onClose(listener: (reason: Error) => void): void {
    if (this.isClosed) listener(new ApiError('NETWORK_EXCEPTION', 'closed'))
    else this.#closeListeners.push(listener)
  }

  /** The connection is lost: requests on their way and answers on theirs. */
  break(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#gone.abort()
    this.#cluster.connections.delete(this)
    const reason = new ApiError('NETWORK_EXCEPTION', 'the connection broke')
    for (const waiting of [...this.#waiting]) waiting.fail(reason)
    for (const listener of this.#closeListeners) listener(reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.break()
  }

  #deliver(api: Api, body: unknown, answer: (error: Error | null, response: unknown) => void): void {
    const before = this.#arrival
    const travel = this.#cluster.delay()
    this.#arrival = before.then(() => travel).then(() => this.#arrive(api, body, answer))
  }

  #arrive(api: Api, body: unknown, answer: (error: Error | null, response: unknown) => void, waitedMs = 0): void {
    if (this.isClosed) return
    const cluster = this.#cluster
    if (cluster.frozenNodes.has(this.nodeId)) {
      cluster.onThaw(this.nodeId, () => this.#arrive(api, body, answer, waitedMs))
      return
    }
    const fault = cluster.faultOf(api, body)
    if (waitedMs === 0) cluster.requests.push({ api: api.name, nodeId: this.nodeId, body })
    if (fault === 'break before') {
      this.break()
      return
    }
    let error: Error | null = null
    let response: unknown = null
    try {
      if (fault !== 'none' && fault !== 'break after') throw new ApiError(fault)
      response = cluster.handle(api, body, this)
    } catch (thrown) {
      error = thrown as Error
    }
    if (fault === 'break after') this.break()
    if (this.isClosed || cluster.isSilent(api)) return
    // A long poll: looks again until there are records, and does not hold up the answers to other requests.
    if (api.key === apis.fetch.key && error === null && isEmpty(response as FetchResponse)) {
      const waitMs = (body as FetchRequest).maxWaitMs - waitedMs
      if (waitMs > 0) {
        const stepMs = Math.min(waitMs, 50)
        cluster.clock.setTimer(stepMs, () => this.#arrive(api, body, answer, waitedMs + stepMs))
        return
      }
    }
    const before = this.#lastAnswer
    this.#lastAnswer = Promise.all([cluster.delay(), before]).then(() => answer(error, response))
  }
}
