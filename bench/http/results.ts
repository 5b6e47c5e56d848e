/** What `npm run bench:http` writes. */
import type { Commit, Machine } from '../harness/machine.ts'
import type { Load } from './loads.ts'
import type { HttpRun } from './run.ts'

export interface HttpLoadResult {
  readonly name: string
  readonly durability: Load['durability']
  readonly recordsPerRequest: number
  readonly answerBytes: number
  readonly runs: readonly HttpRun[]
  /** Bare `node:http`, one for each run. */
  readonly limits: readonly HttpRun[]
}

export interface HttpResults {
  readonly format: 1
  readonly startedAt: string
  readonly endedAt: string
  readonly machine: Machine
  readonly commit: Commit
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly loads: readonly HttpLoadResult[]
}
