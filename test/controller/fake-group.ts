/**
 * Three controllers on one clock, joined by a consensus that does what the test says: who leads, what commits and when,
 * what of a crashed leader's tail survives, who is cut off. Requests between nodes go through the codecs of their APIs.
 */
import assert from 'node:assert/strict'
import type { ControllerNetwork } from '../../src/controller/network.ts'
import { openController } from '../../src/controller/open-controller.ts'
import type { ControllerOptions } from '../../src/controller/options.ts'
import type { Controller } from '../../src/controller/types.ts'
import type { Api } from '../../src/protocol/api.ts'
import { createTopics, deleteTopics } from '../../src/protocol/apis/index.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import type { CommittedEntry, Quorum, QuorumStatus, StateMachine } from '../../src/quorum/types.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import type { RequestOptions } from '../../src/transport/connection.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { type LogIndex, type NodeId, type Term, toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { createRequest, topicRequest } from '../metadata/history.ts'
import { registrationOf } from './registration.ts'

export const sessionTimeoutMs = 9_000
export const goneGraceMs = 500
const ids = [1, 2, 3]

interface Pending {
  readonly data: readonly Uint8Array[]
  readonly term: number
  readonly resolve: (index: LogIndex) => void
  readonly reject: (error: Error) => void
}

export class FakeGroup {
  readonly clock = new VirtualClock()
  readonly members = new Map<number, FakeMember>()
  readonly committed: CommittedEntry[] = []
  /** Proposals commit as they come, and everybody applies them. */
  isAutomatic = true
  /** Followers apply what is committed as it comes. */
  isDelivering = true
  leader: number | null = null
  /** What the leader's proposals are answered with instead of being appended. */
  refusal: ApiError | null = null
  term = 0
  /** Requests that arrived at another node: `1>2 CreateTopics`. */
  readonly forwarded: string[] = []
  /** Nodes whose requests from others are not answered: the process hangs. */
  readonly hung = new Set<number>()
  readonly cut = new Set<number>()
  readonly options: Partial<ControllerOptions>

  constructor(options: Partial<ControllerOptions>) {
    this.options = options
  }

  member(id: number): FakeMember {
    return this.members.get(id) ?? assert.fail(`node ${id} is down`)
  }

  controller(id: number): Controller {
    return this.member(id).controller
  }

  /** Everything that waits in the log of `id` survives with it. */
  elect(id: number): void {
    if (this.leader !== null) this.members.get(this.leader)?.announce(null)
    this.leader = id
    this.term++
    const member = this.member(id)
    this.commit()
    member.announce(toTerm(this.term))
  }

  commit(): void {
    if (this.leader === null) return
    for (const pending of this.member(this.leader).pending.splice(0)) {
      for (const data of pending.data) {
        this.committed.push({ index: toLogIndex(this.committed.length + 1), term: toTerm(this.term), data })
      }
      const last = toLogIndex(this.committed.length)
      this.member(this.leader).catchUp()
      pending.resolve(last)
    }
    this.member(this.leader).catchUp()
    if (this.isDelivering) this.deliver()
  }

  /** Followers that are not cut off apply everything committed. */
  deliver(): void {
    for (const [id, member] of this.members) if (!this.cut.has(id)) member.catchUp()
  }

  /** The process is gone: what it had in flight is lost, or is in the log of the next leader. */
  crash(id: number, { survives }: { survives: boolean }): void {
    const member = this.member(id)
    if (survives) this.commit()
    member.crash()
    this.members.delete(id)
    if (this.leader === id) this.leader = null
    for (const other of this.members.values()) other.goneListener(toNodeId(id))
  }

  /** Leadership is lost without a crash; a newer leader's log lacks what was in flight. */
  depose(): void {
    const member = this.member(this.leader!)
    this.leader = null
    member.announce(null)
    for (const pending of member.pending.splice(0)) pending.reject(new ApiError('NOT_CONTROLLER'))
  }

  async start(id: number): Promise<void> {
    let member: FakeMember | null = null
    const opening = openController({
      nodeId: toNodeId(id),
      quorum: async stateMachine => {
        member = new FakeMember(this, id, stateMachine)
        this.members.set(id, member)
        member.catchUp()
        return member
      },
      network: {
        request: (to, api, body, options) => this.#carry(id, to, api, body, options),
        onReached: listener => {
          member!.reachedListener = listener
          return () => {}
        },
        onGone: listener => {
          member!.goneListener = listener
          return () => {}
        },
      } satisfies ControllerNetwork,
      clock: this.clock,
      random: seededRandom(id + 100 * this.term),
      logger: silentLogger,
      defaults: { numPartitions: 1, replicationFactor: 1, minInsyncReplicas: 1, isUncleanAllowed: false },
      brokerSessionTimeoutMs: sessionTimeoutMs,
      brokerGoneGraceMs: goneGraceMs,
      ...this.options,
    })
    await this.settle()
    if (this.leader === null) this.elect(id)
    member!.controller = await this.outcomeOf(opening)
  }

  /** Lets everything that is due now happen, promises included, without moving time. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 3; idle++) {
      for (const member of this.members.values()) member.lookForLeader()
      await new Promise(resolve => setImmediate(resolve))
      if (this.clock.runDue() > 0) idle = 0
    }
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      this.clock.advance(Math.min(10, left))
      await this.settle()
    }
  }

  /** The answer, with time passing until there is one. */
  async outcomeOf<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const done = (): void => {
      isSettled = true
    }
    promise.then(done, done)
    for (let turn = 0; !isSettled; turn++) {
      assert(turn < 5_000, 'it ends')
      await this.settle()
      if (!isSettled) await this.pass(10)
    }
    return promise
  }

  /** The error's code, or `null`. */
  async refusalOf(promise: Promise<unknown>): Promise<string | null> {
    try {
      await this.outcomeOf(promise)
      return null
    } catch (error) {
      assert(error instanceof ApiError, String(error))
      return error.code
    }
  }

  create(at: number, name: string, session: { clientId: string; requestId: number } | null, timeoutMs = 20_000) {
    const request = { ...createRequest(topicRequest(name)), session, timeoutMs }
    return this.controller(at)
      .request(createTopics, request)
      .then(answer => answer.topics[0]!)
  }

  delete(at: number, name: string, topicId: string | null = null) {
    const request = { session: null, timeoutMs: 20_000, topics: [{ name, topicId }] }
    return this.controller(at)
      .request(deleteTopics, request)
      .then(answer => answer.topics[0]!)
  }

  register(at: number, id = at, incarnationId = 'first') {
    return this.controller(at).registerBroker(registrationOf(id, incarnationId))
  }

  /** `name=id leader`, of every topic a node sees. */
  async topics(at: number): Promise<string[]> {
    const image = await this.outcomeOf(this.controller(at).currentImage())
    return [...image.topics.byName.keys()].sort()
  }

  #carry<Q, S>(from: number, to: NodeId, api: Api<Q, S>, body: Q, { timeoutMs, signal }: RequestOptions = {}) {
    return new Promise<S>((resolve, reject) => {
      const isReachable = this.members.has(to) && !this.cut.has(to) && !this.cut.has(from)
      if (!isReachable) return reject(new ApiError('NETWORK_EXCEPTION'))
      this.forwarded.push(`${from}>${to} ${api.name}`)
      const timer = this.clock.setTimer(timeoutMs ?? 30_000, () => reject(new ApiError('REQUEST_TIMED_OUT')))
      signal?.addEventListener('abort', () => reject(signal.reason))
      const there = this.member(to)
      there.onCrash.push(() => reject(new ApiError('NETWORK_EXCEPTION')))
      if (this.hung.has(to)) return
      const request = api.request.decode(api.request.encode(body, api.versionMax), api.versionMax, api.name)
      there.controller
        .answer(api, request)
        .then(response => {
          const wire = api.response.encode(response, api.versionMax)
          resolve(api.response.decode(wire, api.versionMax, api.name))
        })
        .catch((error: unknown) => reject(error))
        .finally(() => timer.cancel())
    })
  }
}

/** A member of the quorum; the group decides for it. */
export class FakeMember implements Quorum {
  readonly id: number
  controller: Controller = null as never
  readonly pending: Pending[] = []
  readonly onCrash: Array<() => void> = []
  reachedListener: (nodeId: NodeId) => void = () => {}
  goneListener: (nodeId: NodeId) => void = () => {}
  readonly #group: FakeGroup
  readonly #stateMachine: StateMachine
  #applied = 0
  #isUp = true
  #onApplied: (appliedIndex: LogIndex) => void = () => {}
  #onLeadership: (term: Term | null) => void = () => {}
  #leaderListener: (leaderId: NodeId | null) => void = () => {}
  #leaderId: NodeId | null = null

  constructor(group: FakeGroup, id: number, stateMachine: StateMachine) {
    this.#group = group
    this.id = id
    this.#stateMachine = stateMachine
  }

  status(): QuorumStatus {
    const group = this.#group
    const index = toLogIndex(this.#applied)
    const isCut = group.cut.has(this.id) || !this.#isUp
    return {
      nodeId: toNodeId(this.id),
      clusterId: 'the-cluster',
      role: group.leader === this.id ? 'leader' : 'follower',
      term: toTerm(group.term),
      leaderId: isCut || group.leader === null ? null : toNodeId(group.leader),
      commitIndex: index,
      appliedIndex: index,
      logEndIndex: toLogIndex(this.#applied + 1),
      snapshotIndex: toLogIndex(0),
      voters: [],
      votersHeard: 0,
      learners: [],
      observers: [],
    }
  }

  propose(data: readonly Uint8Array[]): Promise<LogIndex> {
    if (!this.#leads) return Promise.reject(new ApiError('NOT_CONTROLLER'))
    if (this.#group.refusal !== null) return Promise.reject(this.#group.refusal)
    const outcome = new Promise<LogIndex>((resolve, reject) => {
      this.pending.push({ data, term: this.#group.term, resolve, reject })
    })
    if (this.#group.isAutomatic) this.#group.commit()
    return outcome
  }

  async readBarrier(): Promise<void> {
    if (!this.#leads) throw new ApiError('NOT_CONTROLLER')
  }

  async addVoter(): Promise<void> {}
  async removeVoter(): Promise<void> {}

  async transfer(to: NodeId | null): Promise<NodeId> {
    this.#group.elect(to ?? (this.id % ids.length) + 1)
    return toNodeId(this.#group.leader!)
  }

  onLeadership(listener: (term: Term | null) => void): void {
    this.#onLeadership = listener
  }

  onLeader(listener: (leaderId: NodeId | null) => void): void {
    this.#leaderListener = listener
  }

  /** Tells who leads, when it has changed. */
  lookForLeader(): void {
    const { leaderId } = this.status()
    if (leaderId === this.#leaderId) return
    this.#leaderId = leaderId
    this.#leaderListener(leaderId)
  }

  onApplied(listener: (appliedIndex: LogIndex) => void): void {
    this.#onApplied = listener
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  announce(term: Term | null): void {
    this.#onLeadership(term)
  }

  catchUp(): void {
    const entries = this.#group.committed.slice(this.#applied)
    if (!this.#isUp || entries.length === 0) return
    this.#stateMachine.apply(entries)
    this.#applied = this.#group.committed.length
    this.#onApplied(toLogIndex(this.#applied))
  }

  crash(): void {
    this.#isUp = false
    this.#onLeadership(null)
    for (const tell of this.onCrash.splice(0)) tell()
  }

  get #leads(): boolean {
    return this.#isUp && this.#group.leader === this.id && !this.#group.cut.has(this.id)
  }
}

/** Three nodes, of which 1 leads, each with its broker registered. */
export async function openGroup(options: Partial<ControllerOptions> = {}): Promise<FakeGroup> {
  const group = new FakeGroup(options)
  for (const id of ids) await group.start(id)
  for (const id of ids) await group.outcomeOf(group.register(id))
  group.forwarded.length = 0
  return group
}
