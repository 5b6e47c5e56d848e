/**
 * Records what real producers and consumers do and see, for the checker in src/simulation/records/:
 *
 *     const recorder = new RecordsRecorder({ file: 'history.jsonl' })           // the file is optional
 *     const sending = recorder.produce(producer, { topic: 't', partitions: 6, inFlight: 8 })
 *     const reading = recorder.consume(new Consumer({ bootstrap, topics: ['t'], from: 'start' }))
 *     …faults…
 *     await sending.stop(); await reading.stop()                                // then heal, and:
 *     await recorder.readToEnd(bootstrap, ['t'])
 *     recorder.mustBeValid(t)                                                   // or `verdict()`
 *
 * Every value is an integer, sent once in all the recorder's life. A send that was not answered well is `info`, unknown,
 * unless its code says that it was refused for what it is. A producer or consumer that is made anew is recorded by a new
 * call, under a new name. Clients are the caller's: stopping a load closes none of them, but consumers.
 */
import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Admin, ApiError, Consumer, type Producer } from '../../src/index.ts'
import {
  accountOf,
  checkRecords,
  type RecordsCheckOptions,
  type RecordsVerdict,
} from '../../src/simulation/records/check.ts'
import { lineOf, operationsOf } from '../../src/simulation/records/jsonl.ts'
import { RecordsHistory, type SendStep } from '../../src/simulation/records/operations.ts'
import { pollOf } from '../../src/simulation/records/poll-of.ts'

export interface RecorderOptions {
  /** The history as lines of JSON, written as it happens. */
  readonly file?: string
  /** Where values begin: recorders of one history in several processes need ranges of their own. Default 1. */
  readonly firstValue?: number
}

export interface ProduceLoad {
  readonly topic: string
  /** How many the topic has; every send goes to one of them, drawn at random. */
  readonly partitions: number
  /** Sends that wait for their answers. Default 4. */
  readonly inFlight?: number
  /** Each of those waits so long between an answer and its next send. Default 5. */
  readonly pauseMs?: number
  /** Values of one send. Default 1: only then a refusal is known to be one. */
  readonly valuesPerSend?: number
  /** Values are filled up to this many bytes. Default 0. */
  readonly valueBytes?: number
  /** Answers promise that values stay: acks all, and no fault that the flush policy does not cover. Default true. */
  readonly isPromised?: boolean
}

export interface Load {
  readonly name: string
  /** Grows with every answer, or batch that was read. */
  readonly done: number
  /** Nothing further is begun; resolves when what was begun has ended. Rejects with what should not have happened. */
  stop(): Promise<void>
}

/** Refused for what it is: however often it is sent, nobody writes it. */
const definite: readonly string[] = [
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'UNSUPPORTED_COMPRESSION_TYPE',
]

/** Before reading is tried again after an error. */
const recoverMs = 100

export class RecordsRecorder {
  readonly history: RecordsHistory
  readonly #file: number | null
  #nextValue: number
  #names = 0

  constructor({ file, firstValue = 1 }: RecorderOptions = {}) {
    this.#nextValue = firstValue
    this.#file = file === undefined ? null : openSync(file, 'a')
    this.history = new RecordsHistory(
      () => Number(process.hrtime.bigint()),
      event => this.#file !== null && writeSync(this.#file, `${lineOf(event)}\n`),
    )
  }

  /** Sends until it is stopped. */
  produce(producer: Producer, load: ProduceLoad): Load {
    const { inFlight = 4, pauseMs = 5 } = load
    return this.#load('p', async (name, state) => {
      const lane = async (): Promise<void> => {
        while (!state.isStopped) {
          await this.send(producer, name, load)
          state.done++
          await pause(pauseMs)
        }
      }
      await Promise.all(Array.from({ length: inFlight }, lane))
    })
  }

  /** One send, to a partition drawn at random. True: it was acknowledged. Rejects for what is no fault of a cluster. */
  async send(producer: Producer, name: string, load: ProduceLoad): Promise<boolean> {
    const { topic, partitions, valuesPerSend = 1, valueBytes = 0, isPromised = true } = load
    const partition = Math.floor(Math.random() * partitions)
    const values = Array.from({ length: valuesPerSend }, () => this.#nextValue++)
    const step: SendStep = { kind: 'send', partition: `${topic}-${partition}`, values, offsets: null, isPromised }
    const invocation = this.history.invoke(name, [step])
    try {
      const messages = values.map(value => ({ partition, value: String(value).padEnd(valueBytes) }))
      const answer = await producer.send({ topic, messages })
      const offsets = answer.map(({ offset }) => offset)
      // With `acks` 0 nobody says where they are.
      invocation.ok([{ ...step, offsets: offsets.includes(-1) ? null : offsets }])
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (valuesPerSend === 1 && definite.includes(error.code)) invocation.fail()
      else invocation.info()
      return false
    }
  }

  /** Reads until it is stopped, which closes the consumer. An error that does not pass ends the reading. */
  consume(consumer: Consumer): Load {
    const load = this.#load('c', async (name, state) => {
      while (!state.isStopped) {
        await this.#read(consumer, name, () => void state.done++)
        await recover(consumer)
      }
    })
    const { stop: whenOver } = load
    const stop = async (): Promise<void> => {
      const stopped = whenOver()
      await consumer.close()
      await stopped
    }
    return Object.assign(load, { stop })
  }

  /** Everything in these topics up to their present ends, by a reader of its own. Their partitions must have leaders. */
  async readToEnd(bootstrap: string | readonly string[], topics: readonly string[]): Promise<void> {
    const admin = new Admin({ bootstrap })
    const described = await admin.describeTopics({ topics })
    await admin.close()
    const name = this.#newName('final')
    const assignments = described.flatMap(({ name: topic, partitions }) =>
      partitions.map(({ partition, logStartOffset }) => ({ topic, partition, offset: logStartOffset! })),
    )
    const partitions = assignments.map(({ topic, partition, offset }) => ({
      partition: `${topic}-${partition}`,
      offset,
    }))
    this.history.did(name, { kind: 'assign', partitions })
    await using consumer = new Consumer({ bootstrap, assignments, until: 'end' })
    await this.#read(consumer, name)
  }

  verdict(options: Partial<RecordsCheckOptions> = {}): RecordsVerdict {
    const byDefault = { isComplete: true, isIdempotent: false, isOrderedInFlight: true, isDense: true }
    return checkRecords(this.history.operations, { ...byDefault, ...options })
  }

  /** Fails the test if the history is wrong, and tells its counts either way. */
  mustBeValid(t: TestContext, options: Partial<RecordsCheckOptions> = {}): void {
    const verdict = this.verdict(options)
    t.diagnostic(accountOf(verdict))
    assert.ok(verdict.isValid, accountOf(verdict))
  }

  /** No more is written to the file. */
  close(): void {
    if (this.#file !== null) closeSync(this.#file)
  }

  /** One iteration of the consumer: until it is closed, has come to its end, or meets an error that passes. */
  async #read(consumer: Consumer, name: string, onRead: () => void = () => undefined): Promise<void> {
    const batches = consumer.batches()
    for (;;) {
      const invocation = this.history.invoke(name, [])
      try {
        const { done, value } = await batches.next()
        if (done === true) return invocation.ok([])
        invocation.ok([pollOf(value)])
        onRead()
      } catch (error) {
        invocation.fail()
        if (!(error instanceof ApiError) || !error.isRetriable) throw error
        return
      }
    }
  }

  #newName(kind: string): string {
    return `${kind}${++this.#names}`
  }

  #load(kind: string, run: (name: string, state: LoadState) => Promise<void>): Load {
    const name = this.#newName(kind)
    const state: LoadState = { done: 0, isStopped: false }
    // A failure is told by `stop`; until then nobody has to look.
    const running = run(name, state).then(
      () => null,
      (error: unknown) => ({ error }),
    )
    return {
      name,
      get done() {
        return state.done
      },
      async stop() {
        state.isStopped = true
        const failure = await running
        if (failure !== null) throw failure.error
      },
    }
  }
}

/** An error of a partition lasts until somebody seeks: here to where it was. */
async function recover(consumer: Consumer): Promise<void> {
  await pause(recoverMs)
  for (const { topic, partition, position } of consumer.progress()) {
    if (position !== null) consumer.seek({ topic, partition, offset: position })
  }
}

interface LoadState {
  done: number
  isStopped: boolean
}

/** Judges histories that recorders have written in several processes of one machine. */
export function verdictOfFiles(files: readonly string[], options: RecordsCheckOptions): RecordsVerdict {
  return checkRecords(operationsOf(files.map(file => readFileSync(file, 'utf8'))), options)
}
