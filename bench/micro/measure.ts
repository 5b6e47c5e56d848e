/**
 * The stop watch: case and reference in turns, slice by slice, so that a mood of the machine is in both. Figures are
 * medians over the slices.
 *
 * CPU time is the whole process's, helper threads of V8 included: collecting garbage is a part of making it. Every slice begins
 * with an empty young generation and ends with collecting what it left there, so that neither side pays for the other's. User and
 * system time are taken together, since only their sum is exact where the kernel samples which of the two it was (at 250 Hz
 * windows of 10 ms came out up to 28 % short of user time that was there).
 */
import { spreadOf } from '../harness/statistics.ts'
import type { Case, Prepared, Work } from './case.ts'

/** Of one round. */
export interface Measured {
  readonly nanoseconds: number
  readonly referenceNanoseconds: number
  readonly ratio: number
}

const slices = 5
/** The clock is read this seldom: reading it is a system call. */
const chunkSecondsMin = 0.001

/** `seconds` of either side, after as many to warm up. */
export async function measureCase(prepared: Prepared, clock: Case['clock'], seconds: number): Promise<Measured> {
  const now = clocks[clock]
  const sides = [prepared.reference.run, prepared.run].map(work => ({ work, runs: 1, perOperation: [] as number[] }))
  for (const side of sides) {
    await prepared.reset?.()
    side.runs = await warmUp(side.work, now, seconds)
  }
  for (let slice = 0; slice < slices; slice++) {
    for (const side of sides) {
      await prepared.reset?.()
      side.perOperation.push(await measureSlice(side.work, side.runs, now, seconds / slices))
    }
  }
  const [reference, own] = sides.map(({ perOperation }) => perOperation) as [number[], number[]]
  return {
    nanoseconds: medianOf(own) * 1e9,
    referenceNanoseconds: medianOf(reference) * 1e9,
    ratio: medianOf(own.map((value, slice) => value / reference[slice]!)),
  }
}

/** Seconds of CPU or of the day; only differences mean something. */
const clocks: Record<Case['clock'], () => number> = {
  cpu: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  },
  wall: () => performance.now() / 1e3,
}

/** Returns how many runs there are in a chunk. */
async function warmUp(work: Work, now: () => number, seconds: number): Promise<number> {
  const endsAt = now() + seconds
  for (let runs = 1; ; ) {
    const startedAt = now()
    await repeat(work, runs)
    const elapsed = now() - startedAt
    if (now() >= endsAt) return runs
    if (elapsed < chunkSecondsMin) runs *= 2
  }
}

/** Seconds of an operation. */
async function measureSlice(work: Work, runs: number, now: () => number, seconds: number): Promise<number> {
  collectYoung()
  const startedAt = now()
  let operations = 0
  do operations += await repeat(work, runs)
  while (now() - startedAt < seconds)
  collectYoung()
  return (now() - startedAt) / operations
}

async function repeat(work: Work, runs: number): Promise<number> {
  let operations = 0
  for (let run = 0; run < runs; run++) {
    const done = work()
    // A turn of the microtask queue is no part of work that needs none.
    operations += typeof done === 'number' ? done : await done
  }
  return operations
}

function collectYoung(): void {
  if (globalThis.gc === undefined) throw new Error('to be run with --expose-gc')
  void globalThis.gc({ type: 'minor' })
}

function medianOf(values: readonly number[]): number {
  return spreadOf(values)!.median
}
