/**
 * Takes the messages of `send` into batches, bounded in memory. Whoever cannot be served at once (no memory, no
 * metadata) waits in line per topic, so that what was sent first enters a batch first.
 *
 *     send → line of the topic → open batch of a partition → (full or due) closed → sender
 */
import { ApiError } from '../../protocol/errors.ts'
import { assert } from '../../util/assert.ts'
import { Fifo } from '../../util/fifo.ts'
import { KiB, MiB } from '../../util/units.ts'
import type { Cluster } from '../cluster.ts'
import { recordHeaders } from './messages.ts'
import { type PartitionQueue, SendEpochs } from './partition-queue.ts'
import { ProducerBatch } from './producer-batch.ts'
import type { SendCall } from './send-call.ts'
import { TopicLine } from './topic-line.ts'
import type { Message, ProducerSettings } from './types.ts'

type Outcome = 'appended' | 'no memory' | 'no such partition'

/** Of what waits to be built in again. */
const spareBytesMax = 16 * MiB

export class Accumulator {
  readonly #settings: ProducerSettings
  readonly #cluster: Cluster
  /** Tells the sender that there may be something to send, or to give up. */
  readonly #onChange: () => void
  readonly #lines = new Map<string, TopicLine>()
  readonly #sendEpochs = new SendEpochs()
  /** Topics whose first waiting call waits for memory, in the order they ran into it. */
  readonly #memoryLine = new Fifo<TopicLine>()
  /** Partitions that have something to send or in flight. The sender moves served ones to the end. */
  readonly active = new Set<PartitionQueue>()
  /** Memory of settled batches: allocating and clearing it anew is a tenth of the cost of producing. */
  readonly #spareBuffers: Uint8Array[] = []
  #spareBytes = 0
  bufferedBytes = 0
  waitingCount = 0

  constructor(settings: ProducerSettings, cluster: Cluster, onChange: () => void) {
    this.#settings = settings
    this.#cluster = cluster
    this.#onChange = onChange
    cluster.onUpdate(() => {
      for (const line of this.#lines.values()) line.grow()
    })
  }

  /** A batch that cannot fill because memory is used up should leave as it is. */
  get isExhausted(): boolean {
    return this.#memoryLine.length > 0
  }

  add(call: SendCall): void {
    const line = this.#lines.get(call.topic) ?? this.#openLine(call.topic)
    if (line.waiting.length > 0 || line.isLoading) this.#enqueue(line, call)
    else if (line.partitions.length === 0) {
      this.#enqueue(line, call)
      this.#load(line)
    } else {
      const outcome = this.#append(line, call)
      if (outcome !== 'appended') {
        this.#enqueue(line, call)
        this.#onBlocked(line, outcome)
      }
    }
    this.#onChange()
  }

  /** The batch is encoded or settled: corrects what it counts for, and lets waiters in. */
  reserve(batch: ProducerBatch, bytes: number): void {
    this.bufferedBytes += bytes - batch.reservedBytes
    batch.reservedBytes = bytes
    assert(this.bufferedBytes >= 0, 'buffered bytes are not negative')
    if (this.#memoryLine.length > 0 && this.#hasMemory()) this.#serveMemoryLine()
  }

  /** The broker refused a batch of the topic for its size: the next ones shall be half as large. */
  onTooLarge(batch: ProducerBatch): void {
    const line = this.#lines.get(batch.topic)!
    line.batchBytes = Math.min(line.batchBytes, Math.max(Math.ceil(batch.builder.sizeBytes / 2), KiB))
  }

  /**
   * Keeps the memory of an answered batch for the next one. Requests are sent from it: one that was sent twice, or not
   * answered, may be on its way out still, and must not become another batch there.
   */
  recycle(batch: ProducerBatch): void {
    assert(batch.attempts === 1, 'what is lent to one request is free when it is answered')
    batch.bytes = null
    const buffer = batch.builder.releaseBuffer()
    if (buffer === null || this.#spareBytes + buffer.length > spareBytesMax) return
    this.#spareBytes += buffer.length
    this.#spareBuffers.push(buffer)
  }

  #takeSpare(): Uint8Array | null {
    const buffer = this.#spareBuffers.pop() ?? null
    this.#spareBytes -= buffer?.length ?? 0
    return buffer
  }

  /** Gives up a call that waits in line: its messages that are in no batch stay out. */
  withdraw(call: SendCall): void {
    const line = this.#lines.get(call.topic)
    if (line === undefined) return
    const before = line.waiting.length
    line.waiting.removeWhere(other => other === call)
    this.waitingCount -= before - line.waiting.length
  }

  /** Fails the calls whose time in line is over, and says when the next one's is. */
  expire(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY
    for (const line of this.#lines.values()) {
      for (let call = line.waiting.peek(); call !== undefined; call = line.waiting.peek()) {
        if (call.deadlineMs > nowMs) {
          nextMs = Math.min(nextMs, call.deadlineMs)
          break
        }
        line.waiting.shift()
        this.waitingCount--
        const what = line.isLoading ? 'metadata' : 'memory'
        call.fail(new ApiError('REQUEST_TIMED_OUT', `'${line.name}': waited for ${what} past the delivery timeout`))
      }
    }
    return nextMs
  }

  /** Ends the filling of the open batch. Its bytes are there at once, or after a compressor's promise. */
  close(queue: PartitionQueue): void {
    const batch = queue.open!
    queue.open = null
    queue.lastBatchBytes = batch.builder.sizeBytes
    queue.closed.push(batch)
    this.encode(queue, batch)
  }

  /** Encodes a batch that takes no more records. One that cannot be encoded says so in `encodingError`. */
  encode(queue: PartitionQueue, batch: ProducerBatch): void {
    const onBytes = (bytes: Uint8Array): void => {
      batch.bytes = bytes
      if (!batch.isSettled) this.reserve(batch, bytes.length)
      this.active.add(queue)
      this.#onChange()
    }
    const onFailed = (error: unknown): void => {
      batch.encodingError = error instanceof Error ? error : new Error(String(error))
      this.#onChange()
    }
    try {
      const finished = batch.builder.finish()
      if (finished instanceof Uint8Array) onBytes(finished)
      else finished.then(onBytes, onFailed)
    } catch (error) {
      onFailed(error)
    }
  }

  #openLine(name: string): TopicLine {
    const line = new TopicLine(name, this.#settings, this.#cluster, this.#sendEpochs)
    this.#lines.set(name, line)
    return line
  }

  #enqueue(line: TopicLine, call: SendCall): void {
    line.waiting.push(call)
    this.waitingCount++
  }

  #onBlocked(line: TopicLine, outcome: Exclude<Outcome, 'appended'>): void {
    if (outcome === 'no such partition') this.#load(line)
    else if (!line.isInMemoryLine) {
      line.isInMemoryLine = true
      this.#memoryLine.push(line)
    }
  }

  /** Fetches the topic's metadata, then serves its line; if there is none to be had, the whole line fails. */
  #load(line: TopicLine): void {
    line.isLoading = true
    this.#cluster.topicReady(line.name).then(
      () => {
        line.isLoading = false
        line.grow()
        this.#serve(line)
        this.#onChange()
      },
      (error: Error) => {
        line.isLoading = false
        for (let call = line.waiting.shift(); call !== undefined; call = line.waiting.shift()) {
          this.waitingCount--
          call.fail(error)
        }
      },
    )
  }

  /** Lets the calls of a line in, in order, until one has to go on waiting. */
  #serve(line: TopicLine): void {
    for (let call = line.waiting.peek(); call !== undefined; call = line.waiting.peek()) {
      const outcome = this.#append(line, call)
      if (outcome !== 'appended') {
        this.#onBlocked(line, outcome)
        return
      }
      line.waiting.shift()
      this.waitingCount--
    }
  }

  #hasMemory(): boolean {
    return this.bufferedBytes < this.#settings.bufferBytes
  }

  #serveMemoryLine(): void {
    while (this.#hasMemory()) {
      const line = this.#memoryLine.shift()
      if (line === undefined) break
      line.isInMemoryLine = false
      if (!line.isLoading) this.#serve(line)
    }
    this.#onChange()
  }

  /** Takes the messages of `call` from `call.next` on into batches. What throws is the caller's: it fails the call. */
  #append(line: TopicLine, call: SendCall): Outcome {
    const { messages } = call
    try {
      while (call.next < messages.length) {
        if (!this.#hasMemory()) return 'no memory'
        const message = messages[call.next]!
        const chosen = line.choose(message)
        const queue = line.partitions[chosen ?? line.stick()]
        if (queue === undefined) {
          if (!call.hasRefreshed) {
            call.hasRefreshed = true
            return 'no such partition'
          }
          const error = `topic '${line.name}' has no partition ${chosen}, only ${line.partitions.length}`
          throw new ApiError('UNKNOWN_TOPIC_OR_PARTITION', error)
        }
        this.#appendTo(line, queue, message, call, chosen === null)
        call.next++
      }
      call.onAppended()
    } catch (error) {
      call.fail(error as Error)
    }
    return 'appended'
  }

  #appendTo(line: TopicLine, chosen: PartitionQueue, message: Message, call: SendCall, isSticky: boolean): void {
    const key = message.key ?? null
    const headers = message.headers === undefined ? null : recordHeaders(message.headers)
    const timestamp = message.timestamp ?? call.timestampMs
    let queue = chosen
    let batch = queue.open ?? this.#openBatch(line, queue)
    while (!batch.builder.tryAppend(key, message.value, headers, timestamp)) {
      this.close(queue)
      // A full batch is when messages without a key move on (KIP-480): the next batch is another partition's.
      if (isSticky) {
        queue = line.partitions[line.stickAnew()]!
      }
      batch = queue.open ?? this.#openBatch(line, queue)
    }
    const addedBytes = batch.builder.sizeBytes - batch.reservedBytes
    batch.reservedBytes += addedBytes
    this.bufferedBytes += addedBytes
    if (isSticky) line.stickyBytes += addedBytes
    call.track(batch)
  }

  #openBatch(line: TopicLine, queue: PartitionQueue): ProducerBatch {
    const { clock, deliveryTimeoutMs, compression, codec } = this.#settings
    const { batchBytes } = line
    const nowMs = clock.nowMs()
    const batch = new ProducerBatch({
      topic: queue.topic,
      partition: queue.partition,
      sequence: queue.nextSequence(),
      span: 1,
      createdAtMs: nowMs,
      deadlineMs: nowMs + deliveryTimeoutMs,
      bytesMax: batchBytes,
      capacityBytes: Math.min(queue.lastBatchBytes, batchBytes),
      buffer: this.#takeSpare(),
      compression,
      codec,
    })
    queue.open = batch
    this.active.add(queue)
    return batch
  }
}
