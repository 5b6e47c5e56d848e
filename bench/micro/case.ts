/** What a room's file hands to the runner: its cases, each beside a reference that the code under test cannot change. */

/** Does some operations, and returns how many once they are done. */
export type Work = () => number | Promise<number>

export interface Reference {
  /** What one operation of it is. A baseline is compared only under the same name. */
  readonly name: string
  readonly run: Work
}

export interface Prepared {
  readonly run: Work
  readonly reference: Reference
  /** Of one operation, where bytes are what it is about. */
  readonly bytes?: number
  /** Before each measurement of either, and no part of it. */
  readonly reset?: () => void | Promise<void>
  readonly close?: () => void | Promise<void>
}

export interface Case {
  readonly name: string
  /** What one operation is. */
  readonly operation: string
  /**
   * `cpu`: of all threads of this process, user and system, so that what else the machine does is left out. `wall`: where
   * waiting for the disk is what it is about.
   */
  readonly clock: 'cpu' | 'wall'
  /** `directory` is the case's own and empty. */
  prepare(directory: string): Prepared | Promise<Prepared>
}

export interface Room {
  readonly name: string
  readonly cases: readonly Case[]
}

const sink: { value: unknown } = { value: null }

/** What is kept has to be computed: V8 would leave out work whose result nobody sees. */
export function keep(value: unknown): void {
  sink.value = value
}

/** One operation each time. */
export function once(run: () => unknown): Work {
  return () => {
    keep(run())
    return 1
  }
}
