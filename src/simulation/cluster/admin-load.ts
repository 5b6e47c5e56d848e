/**
 * Administrators that create, delete, describe and list topics with the production client, over the simulated network.
 * What they saw is the history that the checker of linearizability judges.
 */
import { Admin } from '../../client/admin/admin.ts'
import { socketConnect } from '../../client/socket-connect.ts'
import { ApiError } from '../../protocol/errors.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { History, Invocation } from '../linearizability.ts'
import { type TopicsInput, type TopicsOutput, topicsModel } from '../linearizability-models.ts'
import { Violation } from '../quorum/invariants/invariant.ts'
import { ClientMachine, requestTimeoutMs } from './client-machine.ts'
import type { NodeCluster } from './cluster.ts'
import { clientUrlOf } from './machine.ts'

/** An answer that takes longer is not that of the first attempt: the client gives each a third. */
const firstAttemptMs = requestTimeoutMs / 3

type Answer = 'fail' | 'unknown' | { readonly output: TopicsOutput }

export class AdminClient {
  readonly id: NodeId
  readonly #cluster: NodeCluster
  readonly #history: History<TopicsInput, TopicsOutput>
  readonly #random: Random
  readonly #machine: ClientMachine
  readonly #topicNames: readonly string[]
  #admin: Admin
  #isBusy = false
  #isRetired = false

  constructor(id: NodeId, cluster: NodeCluster, history: History<TopicsInput, TopicsOutput>, random: Random) {
    this.id = id
    this.#cluster = cluster
    this.#history = history
    this.#random = random
    this.#machine = new ClientMachine(id, cluster, random)
    this.#topicNames = Array.from({ length: cluster.world.topicNameCount }, (_, at) => `t${at + 1}`)
    this.#admin = this.#newAdmin()
  }

  /** True when it waits for no answer. */
  get isIdle(): boolean {
    return !this.#isBusy
  }

  start(): void {
    this.#think()
  }

  /** Takes no further operation. */
  retire(): void {
    this.#isRetired = true
  }

  /** What one node lists: names with ids, sorted. */
  async listAt(node: NodeId): Promise<readonly string[]> {
    this.#renew([clientUrlOf(node)])
    await this.#do({ kind: 'list' })
    return (await this.#admin.listTopics()).map(({ name, topicId }) => `${name} ${topicId}`)
  }

  #think(): void {
    const { timeline, world } = this.#cluster
    timeline.after(this.#random.nextFloat() * 2 * world.thinkMs, () => {
      if (this.#isRetired) return
      // Another process, another session, another node that it knows first.
      if (this.#random.nextInt(8) === 0) this.#renew()
      this.#do(this.#draw()).then(
        () => this.#think(),
        error => this.#cluster.fail(error),
      )
    })
  }

  #draw(): TopicsInput {
    const topic = this.#topicNames[this.#random.nextInt(this.#topicNames.length)]!
    const kind = this.#random.nextInt(10)
    if (kind < 4) return { kind: 'create', topic }
    if (kind < 7) return { kind: 'delete', topic }
    return kind < 9 ? { kind: 'describe', topic } : { kind: 'list' }
  }

  async #do(input: TopicsInput): Promise<Answer> {
    const { timeline, sometimes } = this.#cluster
    this.#isBusy = true
    const invocation = this.#history.invoke(`c${this.id}`, input)
    const beganMs = timeline.nowMs
    const answer = await this.#ask(input)
    this.#isBusy = false
    const output = typeof answer === 'object' ? answer.output : undefined
    const said = typeof answer === 'object' ? '' : answer
    this.#cluster.note('client', 0, `c${this.id} ${topicsModel.describe(input, output)} ${said}`)
    if (answer === 'unknown') sometimes.outcomeUnknown++
    else if (timeline.nowMs - beganMs > firstAttemptMs && answer !== 'fail') sometimes.answeredAfterRetries++
    settle(invocation, answer)
    return answer
  }

  async #ask(input: TopicsInput): Promise<Answer> {
    try {
      return { output: await this.#answered(input) }
    } catch (error) {
      return this.#refused(input, error)
    }
  }

  async #answered(input: TopicsInput): Promise<TopicsOutput> {
    const { sometimes, history } = this.#cluster
    switch (input.kind) {
      case 'create': {
        const [created] = await this.#admin.createTopics({ topics: [{ name: input.topic, numPartitions: 1 }] })
        history.acknowledged(created!.name, created!.topicId!)
        sometimes.topicCreated++
        return 'ok'
      }
      case 'delete':
        await this.#admin.deleteTopics({ topics: [input.topic] })
        sometimes.topicDeleted++
        return 'ok'
      case 'describe':
        await this.#admin.describeTopics({ topics: [input.topic] })
        return 'ok'
      case 'list':
        // Those of others are none of this object's.
        return (await this.#admin.listTopics()).map(({ name }) => name).filter(name => this.#topicNames.includes(name))
    }
  }

  #refused(input: TopicsInput, error: unknown): Answer {
    const { sometimes } = this.#cluster
    if (!(error instanceof ApiError)) throw error
    if (error.code === 'TOPIC_ALREADY_EXISTS' && input.kind === 'create') {
      sometimes.refusedAsExisting++
      return { output: 'exists' }
    }
    if (error.code === 'UNKNOWN_TOPIC_OR_PARTITION' && input.kind !== 'create') {
      sometimes.refusedAsUnknown++
      return { output: 'unknown' }
    }
    // No broker is there to keep it: an answer like others, remembered with the session.
    if (error.code === 'INVALID_REPLICATION_FACTOR' && input.kind === 'create') return 'fail'
    if (!error.isRetriable)
      throw new Violation(`${topicsModel.describe(input, undefined)}: ${error.code}`, { cause: error })
    return input.kind === 'create' || input.kind === 'delete' ? 'unknown' : 'fail'
  }

  #renew(bootstrap?: readonly string[]): void {
    this.#admin[Symbol.asyncDispose]().catch(error => this.#cluster.fail(error))
    this.#admin = this.#newAdmin(bootstrap)
  }

  #newAdmin(bootstrap?: readonly string[]): Admin {
    const options = this.#machine.options(bootstrap)
    return new Admin(options, socketConnect(options))
  }
}

function settle(invocation: Invocation<TopicsOutput>, answer: Answer): void {
  if (answer === 'fail') invocation.fail()
  else if (answer !== 'unknown') invocation.ok(answer.output)
}
