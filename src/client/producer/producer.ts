/**
 * The producer: `send` puts messages into batches, one per partition, and resolves when the brokers have them. The
 * accumulator owns memory and order of arrival, the sender owns requests and retries.
 */

import { ApiError } from '../../protocol/errors.ts'
import { AbortError } from '../../util/errors.ts'
import { Cluster } from '../cluster.ts'
import type { Connect } from '../connection.ts'
import type { WithPorts } from '../options.ts'
import { reasonOf } from '../wait.ts'
import { Accumulator } from './accumulator.ts'
import { checkMessages } from './messages.ts'
import { SendCall } from './send-call.ts'
import { Sender } from './sender.ts'
import {
  type ProducerOptions,
  type ProducerSettings,
  type ProducerStats,
  type RecordMetadata,
  resolveProducer,
  type SendRequest,
} from './types.ts'

/**
 * Sends records. Connects when it is first used; follows leaders; is bounded in memory (`bufferBytes`).
 *
 * Delivery is at least once: a batch whose answer does not come, because its connection breaks or its leader falls silent
 * and is replaced, may have been written and is sent again (idempotence is not part of this version). Order per partition
 * is kept over retries, leader changes, broken connections and refusals, however many requests are in flight: a broker takes
 * nothing behind a batch it has refused until it is sent again. A record that is written twice stands, the second time, behind
 * what was sent after it.
 */
export class Producer implements AsyncDisposable {
  readonly #settings: ProducerSettings
  readonly #cluster: Cluster
  readonly #accumulator: Accumulator
  readonly #sender: Sender
  readonly #stats: ProducerStats
  #lastSequence = 0
  /** `send` calls that are not settled: counted, not kept (decision 0019). */
  #unsettled = 0
  readonly #flushes = new Set<Flush>()
  #closing: Promise<void> | null = null

  /** Throws `ConfigError` for an option that cannot be, `ApiError` for a codec this platform lacks. */
  constructor(options: WithPorts<ProducerOptions>, connect: Connect) {
    this.#settings = resolveProducer(options)
    this.#stats = emptyStats()
    this.#cluster = new Cluster(this.#settings, connect, { allowAutoTopicCreation: true })
    this.#accumulator = new Accumulator(this.#settings, this.#cluster, () => this.#sender.schedule())
    this.#sender = new Sender(this.#settings, this.#cluster, this.#accumulator, this.#stats)
  }

  /**
   * Resolves with one entry per message, in order, once all are written as `acks` says. Rejects when one could not be:
   * `ApiError` with the code of the first failure, after the others' outcome is known; they may have been written.
   * Rejects with the signal's reason when it aborts; what is in a batch by then may still be written.
   *
   * Waits while the buffer is full. Calls need not be awaited one by one: batches grow from calls made meanwhile.
   */
  send(request: SendRequest): Promise<RecordMetadata[]> {
    return new Promise((resolve, reject) => {
      const { topic, messages, signal } = request
      if (this.#closing !== null) throw new AbortError('the producer is closed')
      if (typeof topic !== 'string' || topic === '') throw new ApiError('INVALID_REQUEST', 'topic: expected a name')
      checkMessages(messages)
      if (signal?.aborted === true) throw reasonOf(signal)
      if (messages.length === 0) return resolve([])
      const { clock, deliveryTimeoutMs } = this.#settings
      const deadlineMs = clock.nowMs() + deliveryTimeoutMs
      const sequence = ++this.#lastSequence
      const input = { sequence, topic, messages, deadlineMs, timestampMs: clock.wallClockMs() }
      const call = new SendCall(input, { resolve, reject, onSettled: this.#onSettled })
      this.#unsettled++
      if (signal !== undefined) this.#watch(call, signal)
      this.#accumulator.add(call)
    })
  }

  /** Sends what is in memory without lingering; resolves when every `send` made so far is settled, well or not. */
  flush(): Promise<void> {
    if (this.#unsettled === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#flushes.add({ lastSequence: this.#lastSequence, unsettled: this.#unsettled, resolve })
      this.#sender.beginFlush()
    })
  }

  /**
   * Refuses further sends, waits until all that were made are settled (each is by `deliveryTimeoutMs` at the latest),
   * and closes the connections. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  stats(): ProducerStats {
    return {
      ...this.#stats,
      connectionsOpened: this.#cluster.nodes.connectionsOpened,
      bufferedBytes: this.#accumulator.bufferedBytes,
      sendsWaiting: this.#accumulator.waitingCount,
    }
  }

  async #close(): Promise<void> {
    await this.flush()
    this.#sender.stop()
    await this.#cluster.close()
  }

  #watch(call: SendCall, signal: AbortSignal): void {
    const onAbort = (): void => {
      this.#accumulator.withdraw(call)
      call.fail(reasonOf(signal))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    call.onceSettled = () => signal.removeEventListener('abort', onAbort)
  }

  readonly #onSettled = (call: SendCall): void => {
    this.#unsettled--
    for (const flush of this.#flushes) {
      if (call.sequence > flush.lastSequence || --flush.unsettled > 0) continue
      this.#flushes.delete(flush)
      this.#sender.endFlush()
      flush.resolve()
    }
  }
}

interface Flush {
  /** The last call it waits for: those that were made later are none of its business. */
  readonly lastSequence: number
  /** Of the calls up to that one. */
  unsettled: number
  readonly resolve: () => void
}

function emptyStats(): ProducerStats {
  return {
    recordsSent: 0,
    recordsFailed: 0,
    batchesSent: 0,
    batchesFailed: 0,
    batchesRetried: 0,
    batchesSplit: 0,
    bytesSent: 0,
    requestsSent: 0,
    connectionsOpened: 0,
    bufferedBytes: 0,
    sendsWaiting: 0,
  }
}
