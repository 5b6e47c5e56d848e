/** What many runs amount to, of quorums or of clusters. */
import { sometimesNames } from './sometimes.ts'

export interface Summary {
  seeds: number
  /** Runs that were done a second time and took the same way. */
  repeated: number
  events: number
  virtualHours: number
  operations: number
  /** Runs whose history was too long to be judged. */
  undecided: number
  readonly profiles: Record<string, number>
  readonly faults: Record<string, number>
  readonly messages: Record<string, number>
  readonly sometimes: Record<string, number>
}

/** `mustHappen`: what runs of this kind count as happening sometimes. */
export function noRuns(mustHappen: readonly string[] = sometimesNames): Summary {
  return {
    seeds: 0,
    repeated: 0,
    events: 0,
    virtualHours: 0,
    operations: 0,
    undecided: 0,
    profiles: {},
    faults: {},
    messages: {},
    sometimes: Object.fromEntries(mustHappen.map(name => [name, 0])),
  }
}

/** What of a result can be counted; plain data. */
export interface Counted {
  readonly profile: string
  readonly events: number
  readonly virtualMs: number
  readonly operations: number
  readonly isUndecided: boolean
  readonly faults: Readonly<Record<string, number>>
  readonly messages: Readonly<Record<string, number>>
  readonly sometimes: Readonly<Record<string, number>>
}

export function addRun(summary: Summary, run: Counted): void {
  summary.seeds++
  summary.events += run.events
  summary.virtualHours += run.virtualMs / 3_600_000
  summary.operations += run.operations
  if (run.isUndecided) summary.undecided++
  add(summary.profiles, { [run.profile]: 1 })
  add(summary.faults, run.faults)
  add(summary.messages, run.messages)
  add(summary.sometimes, run.sometimes)
}

/** What should have happened somewhere in all these runs and did not. */
export function neverHit({ sometimes }: Summary): string[] {
  return Object.keys(sometimes).filter(name => sometimes[name] === 0)
}

function add(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count
}
