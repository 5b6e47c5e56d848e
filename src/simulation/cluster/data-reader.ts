/** Reads all data topics with the production client, sometimes goes back, sometimes begins anew, and notes what it sees. */
import { Consumer } from '../../client/consumer/consumer.ts'
import { LogTruncatedError } from '../../client/consumer/log-truncated-error.ts'
import type { Assignment, ConsumerBatch } from '../../client/consumer/types.ts'
import { socketConnect } from '../../client/socket-connect.ts'
import { ApiError } from '../../protocol/errors.ts'
import { Violation } from '../quorum/invariants/invariant.ts'
import type { RecordsHistory } from '../records/operations.ts'
import { pollOf } from '../records/poll-of.ts'
import type { ClientMachine } from './client-machine.ts'
import type { DataWorld } from './data-world.ts'
import type { PartitionWatch } from './partition-watch.ts'
import { ReaderView } from './reader-view.ts'

/** An answer to one fetch is not waited for longer. */
const attemptMs = 2_000
const fetchMaxWaitMs = 300
/** Before it is tried again after an error. */
const recoverMs = 100
/** When all is well, whoever reads has everything by then. */
const alikeMsMax = 20_000
/** Some batches of records, so that a reader far behind needs several fetches. */
const partitionMaxBytes = 4_000

export interface DataReaderOptions {
  readonly machine: ClientMachine
  readonly world: DataWorld
  readonly history: RecordsHistory
  readonly watch: PartitionWatch
  /** A name that no producer or consumer has had. */
  readonly newName: () => string
}

export class DataReader {
  readonly #options: DataReaderOptions
  #consumer: Consumer
  #name: string
  #isRetired = false
  /** It goes on to the end now, without going back or beginning anew. */
  #isSteady = false
  readonly view = new ReaderView()

  constructor(options: DataReaderOptions) {
    this.#options = options
    this.#name = options.newName()
    this.#consumer = this.#newConsumer({})
  }

  start(): void {
    this.#readOn(this.#consumer)
  }

  /** Reads nothing further. */
  retire(): void {
    this.#isRetired = true
    this.#options.machine.restart()
  }

  /** Everything from the start to what is the end now. */
  async readAll(): Promise<void> {
    this.#isRetired = true
    this.#name = this.#options.newName()
    const consumer = this.#newConsumer({ until: 'end' })
    while (!(await this.#readOne(consumer))) await this.#recover(consumer)
    await consumer.close()
  }

  /** Reads on until it holds what `end` does. */
  async untilAlike(end: ReaderView): Promise<void> {
    const { timeline } = this.#options.machine.cluster
    this.#isSteady = true
    const lastMs = timeline.nowMs + alikeMsMax
    for (;;) {
      const difference = this.view.differenceFrom(end)
      if (difference === null) return
      if (timeline.nowMs > lastMs) throw new Violation(`${this.#name} was not told: ${difference}`)
      await new Promise<void>(resolve => void timeline.after(recoverMs, resolve))
    }
  }

  #readOn(consumer: Consumer): void {
    const { cluster } = this.#options.machine
    const read = async (): Promise<void> => {
      while (this.#consumer === consumer && !this.#isRetired) {
        await this.#readOne(consumer)
        await this.#recover(consumer)
      }
    }
    read().catch(error => cluster.fail(error))
  }

  /** Until the iteration ends: with an error that passes, or, then true, because all has been read. */
  async #readOne(consumer: Consumer): Promise<boolean> {
    const { history, machine } = this.#options
    const batches = consumer.batches()
    const name = this.#name
    for (;;) {
      const invocation = history.invoke(name, [])
      try {
        const { done, value } = await batches.next()
        if (done === true) {
          invocation.ok([])
          return true
        }
        const polled = pollOf(value)
        invocation.ok([polled])
        this.view.onRead(name, polled)
        this.#onRead(consumer, value)
        if (this.#name !== name) return false
      } catch (error) {
        invocation.fail()
        if (!(error instanceof ApiError)) throw error
        if (error instanceof LogTruncatedError && this.#mayBeCut(error.topic)) {
          this.#onTruncated(consumer, error)
          return false
        }
        if (!error.isRetriable) throw new Violation(`${name} reads: ${error.message}`, { cause: error })
        machine.cluster.sometimes.readFailed++
        return false
      }
    }
  }

  /** An error of a partition lasts until somebody seeks: here to where it was. */
  async #recover(consumer: Consumer): Promise<void> {
    await new Promise<void>(resolve => void this.#options.machine.cluster.timeline.after(recoverMs, resolve))
    for (const { topic, partition, position, epochs } of consumer.progress()) {
      if (position !== null) consumer.seek({ topic, partition, offset: position, epochs })
    }
  }

  #mayBeCut(topic: string): boolean {
    return this.#options.world.topics.some(({ name, isUncleanAllowed }) => name === topic && isUncleanAllowed)
  }

  #onTruncated(consumer: Consumer, error: LogTruncatedError): void {
    const { topic, partition, position, divergingOffset, epochs } = error
    this.#options.machine.cluster.sometimes.truncationTold++
    this.view.onTold(this.#name, `${topic}-${partition}`, position, divergingOffset)
    consumer.seek({ topic, partition, offset: divergingOffset, epochs })
  }

  #onRead(consumer: Consumer, { topic, partition, records }: ConsumerBatch): void {
    const { machine, watch } = this.#options
    const { position, epochs } = consumer.progress().find(p => p.topic === topic && p.partition === partition)!
    this.view.note(`${topic}-${partition}`, { offset: position!, epochs })
    watch.read(topic, partition, records.at(-1)!.offset + 1)
    if (this.#isRetired || this.#isSteady) return
    const fate = machine.random.nextInt(100)
    if (fate === 0) this.#restart()
    else if (fate < 3) this.#goBack(topic, partition, records.at(-1)!.offset)
  }

  #goBack(topic: string, partition: number, from: number): void {
    const { machine, history } = this.#options
    const marks = this.view.marksOf(`${topic}-${partition}`)
    const anywhere = machine.random.nextInt(from + 1)
    // Whoever goes back to an offset of which he does not know the epochs takes what is there.
    const { offset, epochs } = this.#mayBeCut(topic)
      ? marks[anywhere % marks.length]!
      : { offset: anywhere, epochs: [] }
    this.#consumer.seek({ topic, partition, offset, epochs })
    this.view.goTo(`${topic}-${partition}`, offset)
    const partitions = this.#assignments().map(({ topic: name, partition: number }) => ({
      partition: `${name}-${number}`,
      offset: name === topic && number === partition ? offset : null,
    }))
    history.did(this.#name, { kind: 'assign', partitions })
  }

  /** Killed; the next process begins where this one was, or at the start. */
  #restart(): void {
    const { machine, history, newName } = this.#options
    const progress = machine.random.nextInt(2) === 0 ? this.#consumer.progress() : []
    machine.restart()
    this.#name = newName()
    const starts = new Map(progress.map(at => [`${at.topic}-${at.partition}`, at]))
    const assignments = this.#assignments().map(({ topic, partition }) => {
      const { position, epochs } = starts.get(`${topic}-${partition}`) ?? { position: null, epochs: [] }
      this.view.goTo(`${topic}-${partition}`, position ?? 0)
      return { topic, partition, offset: position ?? 0, epochs }
    })
    const partitions = assignments.map(({ topic, partition, offset }) => ({
      partition: `${topic}-${partition}`,
      offset,
    }))
    history.did(this.#name, { kind: 'assign', partitions })
    this.#consumer = this.#newConsumer({ assignments })
    this.#readOn(this.#consumer)
  }

  #assignments(): Assignment[] {
    return this.#options.world.topics.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition, offset: 0 })),
    )
  }

  #newConsumer(given: { assignments?: readonly Assignment[]; until?: 'end' }): Consumer {
    const { machine } = this.#options
    const options = {
      ...machine.options(),
      assignments: this.#assignments(),
      requestTimeoutMs: attemptMs,
      fetchMaxWaitMs,
      partitionMaxBytes,
      ...given,
    }
    return new Consumer(options, socketConnect(options))
  }
}
