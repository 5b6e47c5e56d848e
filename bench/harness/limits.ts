/** Beside every figure the machine's own, without a broker, in the same round: figures are read as ratios to it. */
import path from 'node:path'
import { runBarePipe } from '../limits/bare-pipe.ts'
import { runBarePush } from '../limits/bare-push.ts'
import type { Limit } from './results.ts'
import type { Durability, Point } from './workload.ts'

/** What the machine is asked. Many points ask the same. */
export type Probe =
  | { readonly kind: 'push' }
  | {
      readonly kind: 'pipe'
      readonly mode: Durability
      readonly recordsPerBatch: number
      readonly recordBytes: number
      readonly inFlight: number
    }

interface Answer {
  readonly bytesPerSecond: number
  readonly p50Ms: number | null
}

/**
 * Of one round: what several points ask is measured once, just before the first of them.
 *
 * - Producing: the bare pipe with the same batches and as many under way, divided by the replicas, as every byte goes over
 *   loopback and to the disk so many times on the cores and the disk that the pipe has for one.
 * - At a rate: the latency of the bare pipe with one send at a time; the way to a consumer, where there is one, comes on top.
 * - End to end at the maximum: every record goes through the pipe and from the page cache over `ws`, on the same cores.
 * - Consuming: the page cache over `ws`.
 */
export class RoundLimits {
  readonly #file: string
  readonly #seconds: number
  readonly #answers = new Map<string, Answer>()

  constructor(directory: string, seconds: number) {
    this.#file = path.join(directory, 'limit')
    this.#seconds = seconds
  }

  async of(point: Point): Promise<Limit> {
    const { kind, messageSize, replicationFactor } = point.workload
    const answers: Answer[] = []
    for (const probe of probesOf(point)) answers.push(await this.#ask(probe))
    if (isTimed(point)) return { name: 'bare pipe', recordsPerSecond: null, latency50pct: answers[0]!.p50Ms }
    // One after the other: what each takes for a byte is added up.
    const secondsPerByte = answers.reduce((sum, { bytesPerSecond }) => sum + 1 / bytesPerSecond, 0)
    const recordsPerSecond = 1 / (secondsPerByte * messageSize)
    if (kind === 'consume') return { name: 'page cache over ws', recordsPerSecond, latency50pct: null }
    if (kind === 'end-to-end')
      return { name: 'bare pipe, then page cache over ws', recordsPerSecond, latency50pct: null }
    return {
      name: replicationFactor === 1 ? 'bare pipe' : `bare pipe ÷ ${replicationFactor}`,
      recordsPerSecond: recordsPerSecond / replicationFactor,
      latency50pct: answers[0]!.p50Ms,
    }
  }

  async #ask(probe: Probe): Promise<Answer> {
    const name = JSON.stringify(probe)
    const known = this.#answers.get(name)
    if (known !== undefined) return known
    const answer = await this.#measure(probe)
    this.#answers.set(name, answer)
    return answer
  }

  async #measure(probe: Probe): Promise<Answer> {
    const place = { file: this.#file, seconds: this.#seconds }
    if (probe.kind === 'push') return { bytesPerSecond: (await runBarePush(place)) * 1e6, p50Ms: null }
    const { recordsPerSecond, latencyMs } = await runBarePipe({ ...place, ...probe })
    return { bytesPerSecond: recordsPerSecond * probe.recordBytes, p50Ms: latencyMs.p50 }
  }
}

/** Whatever it asks for is measured once a round, and what is in it added up. */
export function probesOf(point: Point): Probe[] {
  const { workload, durability } = point
  const { kind, messageSize, recordsPerSend, inFlight } = workload
  const push: Probe = { kind: 'push' }
  if (kind === 'consume') return [push]
  const pipe: Probe = {
    kind: 'pipe',
    mode: durability,
    recordsPerBatch: recordsPerSend,
    recordBytes: messageSize,
    inFlight: isTimed(point) ? 1 : inFlight,
  }
  return kind === 'end-to-end' && !isTimed(point) ? [pipe, push] : [pipe]
}

/** What is asked is how soon it is done, not how much is. */
function isTimed({ producerRate }: Point): boolean {
  return producerRate > 0
}
