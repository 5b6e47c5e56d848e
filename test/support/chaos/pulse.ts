/** One producer and one consumer of one partition, as fast as they are answered, and when: the gaps that a fault makes. */
import { setTimeout as pause } from 'node:timers/promises'
import { Consumer, Producer } from '../../../src/index.ts'

const pollMs = 5
/** So many beats after a fault, and it is over. */
const beatsAfter = 20

export interface Gaps {
  /** Longest time without an answer to the producer. */
  readonly producerMs: number
  /** Longest time without a record for the consumer. */
  readonly consumerMs: number
}

export class Pulse {
  readonly #producer: Producer
  readonly #consumer: Consumer
  readonly #topic: string
  readonly #partition: number
  #acknowledgedMs: number[] = []
  #readMs: number[] = []
  /** Of sends that were given up. */
  failures = 0
  readonly #running: Promise<unknown>[] = []
  #isStopping = false

  /** All settings of both are the defaults. */
  constructor(urls: readonly string[], topic: string, partition: number) {
    this.#topic = topic
    this.#partition = partition
    this.#producer = new Producer({ bootstrap: urls })
    this.#consumer = new Consumer({ bootstrap: urls, assignments: [{ topic, partition, offset: 'end' }] })
  }

  start(): void {
    this.#running.push(this.#send(), this.#read())
  }

  /** Resolves when both have gone on for a while since the call. */
  async goesOn(): Promise<void> {
    const fromMs = performance.now()
    const isOver = (times: readonly number[]): boolean => times.filter(ms => ms > fromMs).length >= beatsAfter
    while (!isOver(this.#acknowledgedMs) || !isOver(this.#readMs)) await pause(pollMs)
  }

  /** Those since `sinceMs`, a time of `performance`. */
  gapsSince(sinceMs: number): Gaps {
    return { producerMs: longest(this.#acknowledgedMs, sinceMs), consumerMs: longest(this.#readMs, sinceMs) }
  }

  /** What was seen so far is not asked for any more. */
  forget(): void {
    this.#acknowledgedMs = this.#acknowledgedMs.slice(-1)
    this.#readMs = this.#readMs.slice(-1)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#consumer.close()
    await Promise.all(this.#running)
    await this.#producer.close()
  }

  /** A new one is sent every few milliseconds, whether the ones before are answered or not, as an application would. */
  async #send(): Promise<void> {
    const sends = new Set<Promise<unknown>>()
    while (!this.#isStopping) {
      const messages = [{ partition: this.#partition, value: 'beat' }]
      const send: Promise<unknown> = this.#producer
        .send({ topic: this.#topic, messages })
        .then(
          () => this.#acknowledgedMs.push(performance.now()),
          () => this.failures++,
        )
        .finally(() => sends.delete(send))
      sends.add(send)
      await pause(pollMs)
    }
    await Promise.all(sends)
  }

  async #read(): Promise<void> {
    for await (const _ of this.#consumer) this.#readMs.push(performance.now())
  }
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}

/** Between two times that follow each other, the second after `sinceMs`. */
function longest(times: readonly number[], sinceMs: number): number {
  let gapMs = 0
  for (let i = 1; i < times.length; i++) if (times[i]! > sinceMs) gapMs = Math.max(gapMs, times[i]! - times[i - 1]!)
  return gapMs
}
