/** Histories that a correct cluster could have shown, drawn at random. */
import {
  RecordsHistory,
  type RecordsInvocation,
  type RecordsOperation,
  type SendStep,
} from '../../src/simulation/records/operations.ts'
import type { Random } from '../../src/util/random.ts'

interface GoodHistoryOptions {
  readonly isIdempotent: boolean
  readonly sends: number
  readonly partitions: number
}

interface InFlight {
  readonly step: SendStep
  readonly invocation: RecordsInvocation
  readonly offsets: number[]
}

export function goodHistory(random: Random, options: GoodHistoryOptions): readonly RecordsOperation[] {
  return new GoodCluster(random, options).run()
}

class GoodCluster {
  readonly #random: Random
  readonly #options: GoodHistoryOptions
  readonly #history = new RecordsHistory(() => ++this.#time)
  #time = 0
  #nextValue = 1
  readonly #logs: number[][]
  /** By sender; what was sent first is written and answered first. */
  readonly #inFlight = new Map<string, InFlight[]>()
  readonly #readers = new Map<string, number[]>()

  constructor(random: Random, options: GoodHistoryOptions) {
    this.#random = random
    this.#options = options
    this.#logs = Array.from({ length: options.partitions }, () => [])
  }

  run(): readonly RecordsOperation[] {
    for (let sent = 0; sent < this.#options.sends; ) {
      const act = this.#random.nextInt(10)
      const who = this.#random.nextInt(3)
      if (act < 4) {
        this.#send(`p${who}`)
        sent++
      } else if (act < 8) this.#answer(`p${who}`)
      else this.#read(`c${who}`)
    }
    for (const [process, waiting] of this.#inFlight) while (waiting.length > 0) this.#answer(process)
    for (let partition = 0; partition < this.#logs.length; partition++) this.#readAll(partition)
    return this.#history.operations
  }

  #send(process: string): void {
    const partition = this.#random.nextInt(this.#logs.length)
    const values = Array.from({ length: 1 + this.#random.nextInt(3) }, () => this.#nextValue++)
    const step: SendStep = { kind: 'send', partition: `t-${partition}`, values, offsets: null, isPromised: true }
    const waiting = this.#inFlight.get(process) ?? []
    this.#inFlight.set(process, waiting)
    waiting.push({ step, invocation: this.#history.invoke(process, [step]), offsets: [] })
  }

  #answer(process: string): void {
    const next = this.#inFlight.get(process)?.shift()
    if (next === undefined) return
    const { step, invocation } = next
    const fate = this.#random.nextInt(20)
    // Half of those of which nobody hears are written.
    const first = fate < 3 ? null : this.#append(step)
    if (fate < 2) invocation.fail()
    else if (fate < 4) invocation.info()
    else if (fate > 4) {
      // The answer to the first attempt was lost.
      const isRetried = !this.#options.isIdempotent && fate === 5
      invocation.ok([{ ...step, offsets: isRetried ? this.#append(step) : first }])
    }
  }

  #append({ partition, values }: SendStep): number[] {
    const log = this.#logs[Number(partition.slice(2))]!
    return values.map(value => log.push(value) - 1)
  }

  #read(process: string): void {
    let positions = this.#readers.get(process)
    if (positions === undefined || this.#random.nextInt(20) === 0) {
      positions = this.#logs.map(log => (this.#random.nextInt(3) === 0 ? this.#random.nextInt(log.length + 1) : 0))
      this.#readers.set(process, positions)
      const partitions = positions.map((offset, i) => ({ partition: `t-${i}`, offset }))
      this.#history.did(process, { kind: 'assign', partitions })
    }
    const partition = this.#random.nextInt(this.#logs.length)
    positions[partition] = this.#poll(process, partition, positions[partition]!, 1 + this.#random.nextInt(8))
  }

  #readAll(partition: number): void {
    const process = `final-${partition}`
    for (let at = 0; at < this.#logs[partition]!.length; ) at = this.#poll(process, partition, at, 1_000)
  }

  #poll(process: string, partition: number, from: number, most: number): number {
    const log = this.#logs[partition]!
    const values = log.slice(from, from + most)
    const offsets = values.map((_, i) => from + i)
    const invocation = this.#history.invoke(process, [])
    invocation.ok([{ kind: 'poll', partition: `t-${partition}`, offsets, values, highWatermark: log.length }])
    return from + values.length
  }
}
