/**
 * An operator at work while nodes fail: partitions of records are moved to other brokers, moves are given up or replaced,
 * brokers drained and put back, leaderships returned. In the end it leaves nobody drained, and returns what is to be returned.
 */
import { Admin } from '../../client/admin/admin.ts'
import type { TopicPartition } from '../../client/by-leader.ts'
import { socketConnect } from '../../client/socket-connect.ts'
import { isReassigning } from '../../metadata/reassignment.ts'
import { ApiError, type ErrorName } from '../../protocol/errors.ts'
import type { NodeId } from '../../util/numbers.ts'
import { Violation } from '../quorum/invariants/invariant.ts'
import type { ClientMachine } from './client-machine.ts'
import type { Operation } from './operations.ts'

/** Between two attempts to leave things as they should be. */
const againMs = 500
const replicasMax = 4
/** Where a machine may lose what it has: to that one alone nothing is moved, whether or not its loss is known already. */
const replicasMinInDoubt = 2

/** Answers that say that there is nothing to do, or nobody to do it with. */
const expected: readonly ErrorName[] = [
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_REPLICA_ASSIGNMENT',
  'NO_REASSIGNMENT_IN_PROGRESS',
  'ELECTION_NOT_NEEDED',
  'PREFERRED_LEADER_NOT_AVAILABLE',
  'BROKER_ID_NOT_REGISTERED',
]

export class Operator {
  readonly #machine: ClientMachine
  readonly #admin: Admin
  #underWay = 0
  #isRetired = false
  #isTidy = false

  constructor(machine: ClientMachine) {
    this.#machine = machine
    const options = machine.options(machine.everywhere())
    this.#admin = new Admin(options, socketConnect(options))
  }

  get id(): NodeId {
    return this.#machine.id
  }

  /** It has nothing more to do, and nobody is drained. */
  get isIdle(): boolean {
    return this.#underWay === 0 && this.#isTidy
  }

  start(): void {
    for (const [operation, rate] of Object.entries(this.#machine.cluster.world.operations) as Array<
      [Operation, number]
    >)
      this.#plan(operation, rate)
  }

  /** Begins nothing further, and puts brokers back. */
  retire(): void {
    this.#isRetired = true
    this.#tidy().then(
      () => {
        this.#isTidy = true
      },
      error => this.#machine.cluster.fail(error),
    )
  }

  #plan(operation: Operation, per100Seconds: number): void {
    const { cluster, random } = this.#machine
    cluster.timeline.after((-Math.log(1 - random.nextFloat()) * 100_000) / per100Seconds, () => {
      if (this.#isRetired) return
      cluster.note(`operator ${operation}`)
      this.#attempt(operation).catch(error => cluster.fail(error))
      this.#plan(operation, per100Seconds)
    })
  }

  async #attempt(operation: Operation): Promise<void> {
    this.#underWay++
    await this.#isDone(() => this.#do(operation))
    this.#underWay--
  }

  async #do(operation: Operation): Promise<void> {
    const { sometimes } = this.#machine.cluster
    switch (operation) {
      case 'move':
        await this.#admin.alterPartitionReassignments({
          partitions: [{ ...this.#somePartition(), replicas: this.#someBrokers() }],
        })
        sometimes.moveBegun++
        return
      case 'giveUpMove':
        await this.#admin.alterPartitionReassignments({
          partitions: [{ ...this.#somePartition(true), replicas: null }],
        })
        sometimes.moveGivenUp++
        return
      case 'drain':
        await this.#admin.drainBroker({ nodeId: this.#oneOf(this.#brokers()) })
        sometimes.brokerDrained++
        return
      case 'putBack':
        await this.#admin.drainBroker({ nodeId: this.#oneOf(this.#brokers()), isDraining: false })
        return
      case 'electPreferred':
        if ((await this.#admin.electLeaders()).length > 0) sometimes.preferredElected++
    }
  }

  async #tidy(): Promise<void> {
    for (const nodeId of this.#brokers())
      await this.#untilDone(() => this.#admin.drainBroker({ nodeId, isDraining: false }))
    await this.#untilDone(() => this.#do('electPreferred'))
  }

  async #untilDone(act: () => Promise<unknown>): Promise<void> {
    const { timeline } = this.#machine.cluster
    while (!(await this.#isDone(act))) await new Promise<void>(resolve => void timeline.after(againMs, resolve))
  }

  /** True when that was answered, be it that there is nothing to do. */
  async #isDone(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act()
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.isRetriable) return false
      if (expected.includes(error.code)) return true
      throw new Violation(`an operator is told: ${error.code}: ${error.message}`, { cause: error })
    }
  }

  #brokers(): NodeId[] {
    return [...this.#machine.cluster.machines.values()].filter(({ isBroker }) => isBroker).map(({ id }) => id)
  }

  /** `isMoving`: one that is being moved, if there is one. */
  #somePartition(isMoving = false): TopicPartition {
    const { cluster } = this.#machine
    const all = cluster.world.data.topics.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })),
    )
    const moving = all.filter(({ topic, partition }) => {
      const found = cluster.history.latest?.topics.byName.get(topic)?.partitions[partition]
      return found !== undefined && isReassigning(found)
    })
    return this.#oneOf(isMoving && moving.length > 0 ? moving : all)
  }

  #someBrokers(): NodeId[] {
    const { random, cluster } = this.#machine
    const { isCautious, faults } = cluster.world
    const least = isCautious || faults.wipe !== undefined || faults.rot !== undefined ? replicasMinInDoubt : 1
    const shuffled = this.#brokers()
      .map(id => ({ id, order: random.nextFloat() }))
      .sort((a, b) => a.order - b.order)
      .map(({ id }) => id)
    return shuffled.slice(0, Math.max(least, 1 + random.nextInt(Math.min(replicasMax, shuffled.length))))
  }

  #oneOf<T>(among: readonly T[]): T {
    return among[this.#machine.random.nextInt(among.length)]!
  }
}
