/**
 * Does harm to a cluster, one fault after the other, each undone after a while. A deck of all faults is shuffled by the seed
 * and dealt to its end before it is shuffled again, so that a short run meets each of them.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../../../src/util/random.ts'

export interface Fault {
  readonly name: string
  /** Resolves, when the harm is done, with what undoes it; that resolves when it is undone. */
  readonly strike: (random: Random) => Promise<() => Promise<void>>
}

export interface NemesisOptions {
  readonly faults: readonly Fault[]
  readonly random: Random
  readonly rounds: number
  /** A fault lasts up to this. */
  readonly holdMsMax: number
  /** Resolves when all is well again, after a fault is undone and before the next. */
  readonly recovered: () => Promise<void>
  readonly onStrike?: (fault: Fault) => void
}

/** From the moment a fault was being undone until all was well, by the name of the fault. */
export type Recoveries = ReadonlyMap<string, readonly number[]>

export async function torment(options: NemesisOptions): Promise<Recoveries> {
  const { faults, random, rounds, holdMsMax, recovered, onStrike } = options
  const recoveries = new Map<string, number[]>()
  let deck: Fault[] = []
  for (let round = 0; round < rounds; round++) {
    if (deck.length === 0) deck = shuffled(faults, random)
    const fault = deck.pop()!
    onStrike?.(fault)
    const undo = await fault.strike(random)
    await pause(random.nextFloat() * holdMsMax)
    const fromMs = performance.now()
    await undo()
    await recovered()
    recoveries.set(fault.name, [...(recoveries.get(fault.name) ?? []), performance.now() - fromMs])
  }
  return recoveries
}

/** For people: how often each fault struck, and how long the recovery from it took at most. */
export function accountOf(recoveries: Recoveries): string {
  const each = [...recoveries].map(([name, times]) => `${name} ${times.length} (${seconds(Math.max(...times))})`)
  const total = [...recoveries.values()].reduce((sum, times) => sum + times.length, 0)
  return `${total} faults, and the longest recovery from each: ${each.join(', ')}`
}

export function oneOf<T>(all: readonly T[], random: Random): T {
  return all[random.nextInt(all.length)]!
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function shuffled<T>(all: readonly T[], random: Random): T[] {
  const left = [...all]
  return all.map(() => left.splice(random.nextInt(left.length), 1)[0]!)
}
