/** Produces integers with the production client, several sends at a time, and notes what it was told. */
import { Producer } from '../../client/producer/producer.ts'
import { socketConnect } from '../../client/socket-connect.ts'
import { ApiError } from '../../protocol/errors.ts'
import { Violation } from '../quorum/invariants/invariant.ts'
import type { RecordsHistory, SendStep } from '../records/operations.ts'
import { type ClientMachine, requestTimeoutMs } from './client-machine.ts'
import type { DataTopic, DataWorld } from './data-world.ts'
import type { PartitionWatch } from './partition-watch.ts'

/** An answer to one attempt is not waited for longer. */
const attemptMs = 2_000
/** Some batches hold several sends. */
const batchBytes = 1_000
const valuesMax = 3

type Acks = 'all' | 0 | 1

export interface DataProducerOptions {
  readonly machine: ClientMachine
  readonly world: DataWorld
  readonly history: RecordsHistory
  readonly watch: PartitionWatch
  /** A number that nobody has sent. */
  readonly newValue: () => number
  /** A name that no producer or consumer has had. */
  readonly newName: () => string
}

/** One process that produces. */
interface Life {
  readonly name: string
  readonly producer: Producer
  readonly acks: Acks
}

export class DataProducer {
  readonly #options: DataProducerOptions
  #life: Life
  #inFlight = 0
  #isRetired = false
  /** Batches that were sent again, by processes that are gone. */
  #retriedBefore = 0

  constructor(options: DataProducerOptions) {
    this.#options = options
    this.#life = this.#newLife()
  }

  /** True when it waits for no answer. */
  get isIdle(): boolean {
    return this.#inFlight === 0
  }

  get batchesRetried(): number {
    return this.#retriedBefore + this.#life.producer.stats().batchesRetried
  }

  start(): void {
    for (let lane = 0; lane < this.#options.world.lanes; lane++) this.#think()
  }

  /** Sends nothing further. */
  retire(): void {
    this.#isRetired = true
  }

  #think(): void {
    const { machine, world } = this.#options
    machine.cluster.timeline.after(machine.random.nextFloat() * 2 * world.thinkMs, () => {
      if (this.#isRetired) return
      if (machine.random.nextInt(100) === 0) this.#restart()
      this.#send().then(
        () => this.#think(),
        error => machine.cluster.fail(error),
      )
    })
  }

  async #send(): Promise<void> {
    const { machine, world, history, newValue } = this.#options
    const { random, cluster } = machine
    const { name, producer, acks } = this.#life
    const topic = world.topics[random.nextInt(world.topics.length)]!
    const partition = random.nextInt(topic.partitions)
    const values = Array.from({ length: 1 + random.nextInt(valuesMax) }, newValue)
    const step: SendStep = {
      kind: 'send',
      partition: `${topic.name}-${partition}`,
      values,
      offsets: null,
      isPromised: acks === 'all' && !topic.isUncleanAllowed,
    }
    const invocation = history.invoke(name, [step])
    this.#inFlight++
    try {
      const messages = values.map(value => ({ partition, value: this.#padded(value) }))
      const answer = await producer.send({ topic: topic.name, messages })
      const offsets = answer.map(({ offset }) => offset)
      invocation.ok([{ ...step, offsets: acks === 0 ? null : offsets }])
      if (acks === 'all') this.#onAcknowledged(topic, partition, offsets)
    } catch (error) {
      // What passes for a while and then does not is unknown; nothing here is refused for what it is.
      if (!(error instanceof ApiError)) throw error
      if (!error.isRetriable)
        throw new Violation(`${name} sends to ${step.partition}: ${error.message}`, { cause: error })
      cluster.sometimes.sendUnknown++
      invocation.info()
    }
    if (this.#life.name === name) this.#inFlight--
  }

  #onAcknowledged({ name }: DataTopic, partition: number, offsets: readonly number[]): void {
    const { machine, watch } = this.#options
    machine.cluster.sometimes.sendAcknowledged++
    watch.acknowledged(name, partition, offsets.at(-1)! + 1)
  }

  #padded(value: number): string {
    const { machine, world } = this.#options
    return String(value).padEnd(Math.floor(machine.random.nextFloat() * 2 * world.paddingBytes))
  }

  /** Killed with everything that it had in flight: nobody will ever know. */
  #restart(): void {
    this.#retriedBefore = this.batchesRetried
    this.#options.machine.restart()
    const lanes = this.#inFlight
    this.#inFlight = 0
    this.#life = this.#newLife()
    // Those lanes wait for what does not come.
    for (let lane = 0; lane < lanes; lane++) this.#think()
  }

  #newLife(): Life {
    const { machine, world, newName } = this.#options
    const { random } = machine
    const isWeak = random.nextFloat() < world.weakShare
    const acks: Acks = isWeak ? ([0, 1] as const)[random.nextInt(2)]! : 'all'
    const options = {
      ...machine.options(),
      acks,
      batchBytes,
      lingerMs: world.lingerMs,
      inFlightMax: world.inFlightMax,
      requestTimeoutMs: attemptMs,
      deliveryTimeoutMs: requestTimeoutMs,
    }
    return { name: newName(), producer: new Producer(options, socketConnect(options)), acks }
  }
}
