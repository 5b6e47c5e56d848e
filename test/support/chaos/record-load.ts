/**
 * Producers and consumers at work on a topic while faults come and go, everything they are told recorded. Producers live as
 * long as the load; consumers are made anew now and then, and begin somewhere else.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Consumer, Producer } from '../../../src/index.ts'
import { checkRecords, type RecordsVerdict } from '../../../src/simulation/records/check.ts'
import { silentLogger } from '../../../src/util/logger.ts'
import { type Random, seededRandom } from '../../../src/util/random.ts'
import { type Load, RecordsRecorder } from '../../integration/records-recorder.ts'

export interface RecordLoadOptions {
  readonly urls: readonly string[]
  readonly topic: string
  readonly partitions: number
  readonly producers: number
  readonly consumers: number
  readonly seed: number
}

const pollMs = 20
/** Batches that a consumer reads in one life. */
const lifeBatchesMax = 2_000

export class RecordLoad {
  readonly recorder = new RecordsRecorder()
  readonly #options: RecordLoadOptions
  readonly #random: Random
  readonly #producers: Producer[] = []
  readonly #sending: Load[] = []
  readonly #reading: Promise<void>[] = []
  /** Batches that producers sent to the next leader because the one before was silent for too long: it may have them, too. */
  takenBack = 0
  /** Of consumers: batches they have read, and how many there were. */
  readonly #read = { batches: 0, lives: 0 }
  #isStopping = false
  #failure: Error | null = null

  constructor(options: RecordLoadOptions) {
    this.#options = options
    this.#random = seededRandom(options.seed)
  }

  get account(): string {
    const sends = this.#sending.reduce((sum, { done }) => sum + done, 0)
    return `${sends} sends, ${this.#read.batches} batches read by ${this.#read.lives} consumers`
  }

  verdict(): RecordsVerdict {
    const rules = { isComplete: true, isIdempotent: false, isOrderedInFlight: true, isDense: true }
    return checkRecords(this.recorder.history.operations, rules)
  }

  start(): void {
    const { urls, topic, partitions, producers, consumers } = this.#options
    for (let i = 0; i < producers; i++) {
      const inFlightMax = i % 2 === 0 ? undefined : 1
      const logger = {
        ...silentLogger,
        warn: ({ batchCount }: Record<string, unknown>): void => void (this.takenBack += Number(batchCount ?? 0)),
      }
      const clientId = `p-${i}`
      const producer = new Producer({ bootstrap: urls, clientId, requestTimeoutMs: 5_000, inFlightMax, logger })
      this.#producers.push(producer)
      const load = { topic, partitions, inFlight: 4, pauseMs: 10 }
      const loads = [
        this.recorder.produce(producer, load),
        this.recorder.produce(producer, { ...load, valuesPerSend: 5, valueBytes: 300 }),
      ]
      this.#sending.push(...loads)
    }
    for (let i = 0; i < consumers; i++) {
      this.#reading.push(this.#consume().catch(error => void (this.#failure ??= error as Error)))
    }
  }

  /** Resolves when every producer has been answered and some more has been read; rejects if a client failed for good. */
  async goesOn(sends = 10): Promise<void> {
    const goals = this.#sending.map(({ done }) => done + sends)
    const toRead = this.#read.batches + this.#reading.length
    while (this.#sending.some(({ done }, i) => done < goals[i]!) || this.#read.batches < toRead) {
      if (this.#failure !== null) throw this.#failure
      await pause(pollMs)
    }
  }

  /** Ends the load; resolves when what was sent is answered, or given up. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true
    const outcomes = await Promise.allSettled([...this.#sending.map(load => load.stop()), ...this.#reading])
    await Promise.all(this.#producers.splice(0).map(producer => producer.close()))
    for (const outcome of outcomes) if (outcome.status === 'rejected') this.#failure ??= outcome.reason as Error
  }

  /** Ends the load, then reads every partition from start to end, so that nothing is left unseen. */
  async finish(): Promise<void> {
    await this.stop()
    if (this.#failure !== null) throw this.#failure
    await this.recorder.readToEnd(this.#options.urls, [this.#options.topic])
  }

  /** One life after the other: from the start, then from the end or somewhere before it. */
  async #consume(): Promise<void> {
    while (!this.#isStopping) {
      const from = this.#read.lives++ < this.#options.consumers ? 'start' : this.#random.nextInt(2) === 0 ? 'end' : -500
      const consumer = new Consumer({
        bootstrap: this.#options.urls,
        topics: [this.#options.topic],
        from,
        requestTimeoutMs: 5_000,
        metadataTimeoutMs: 60_000,
        // There is no retention: to find nothing where one was reading means that something was lost.
        onOffsetOutOfRange: 'error',
      })
      const load = this.recorder.consume(consumer)
      const batchesMax = 1 + this.#random.nextInt(lifeBatchesMax)
      for (let seen = 0; seen < batchesMax && !this.#isStopping; await pause(pollMs)) {
        this.#read.batches += load.done - seen
        seen = load.done
      }
      await load.stop()
    }
  }
}
