/** What many runs amount to. */
import type { RunResult } from './run.ts'
import { noCounts, type SometimesName, sometimesNames } from './sometimes.ts'

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
  readonly sometimes: Record<SometimesName, number>
}

export function noRuns(): Summary {
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
    sometimes: noCounts(),
  }
}

/** What of a result can be counted; plain data. */
export type Counted = Pick<
  RunResult,
  'profile' | 'events' | 'virtualMs' | 'operations' | 'isUndecided' | 'faults' | 'messages' | 'sometimes'
>

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
export function neverHit({ sometimes }: Summary): SometimesName[] {
  return sometimesNames.filter(name => sometimes[name] === 0)
}

function add(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count
}
