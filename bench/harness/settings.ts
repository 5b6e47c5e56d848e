/** How long things take in a run, unless somebody says otherwise: of the whole, and of a glance that everything works. */

export interface Settings {
  /** Interleaved rounds. */
  readonly repetitions: number
  /** Of each run, after `warmupSeconds` of the same load. */
  readonly seconds: number
  readonly warmupSeconds: number
  /** Load on each cluster before anything is measured. */
  readonly ourWarmupSeconds: number
  readonly peerWarmupSeconds: number
  /** The same of each group of voters. */
  readonly groupWarmupSeconds: number
  /** Of each limit probe. */
  readonly limitSeconds: number
  /** From the first record to a look at the memory of idle nodes. */
  readonly settleSeconds: number
  /** Of everything that is given as a size. */
  readonly scale: number
}

export const wholeRun: Settings = {
  repetitions: 5,
  seconds: 1.4,
  warmupSeconds: 0.7,
  ourWarmupSeconds: 6,
  peerWarmupSeconds: 60,
  groupWarmupSeconds: 3,
  limitSeconds: 0.8,
  settleSeconds: 3,
  scale: 1,
}

export const briefRun: Settings = {
  repetitions: 1,
  seconds: 0.4,
  warmupSeconds: 0.1,
  ourWarmupSeconds: 0,
  peerWarmupSeconds: 0,
  groupWarmupSeconds: 0,
  limitSeconds: 0.2,
  settleSeconds: 0,
  scale: 0.02,
}
