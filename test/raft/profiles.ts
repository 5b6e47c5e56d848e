/** What random clusters go through: how many servers, how lossy a network, and how often each thing happens. */

export interface Profile {
  readonly name: string
  readonly servers: readonly [min: number, max: number]
  readonly steps: number
  /** Of a message that is due: lost, or delivered and left to come again. */
  readonly dropMax: number
  readonly duplicateMax: number
  /** Of a message that is delivered: comes again much later. */
  readonly lateMax: number
  /** Some servers are in no configuration to begin with. */
  readonly hasSpares: boolean
  /** How likely each thing is, relative to the others. */
  readonly weights: Readonly<Record<Action, number>>
}

export type Action =
  | 'tick'
  | 'deliver'
  | 'write'
  | 'propose'
  | 'read'
  | 'crash'
  | 'restart'
  | 'cut'
  | 'pause'
  | 'snapshot'
  | 'transfer'
  | 'membership'
  | 'observe'
  | 'wipe'

const calm: Record<Action, number> = {
  tick: 30,
  deliver: 120,
  write: 60,
  propose: 12,
  read: 3,
  crash: 0.6,
  restart: 2,
  cut: 0.6,
  pause: 0,
  snapshot: 0,
  transfer: 0.2,
  membership: 0,
  observe: 0,
  wipe: 0,
}

export const profiles = {
  swarm: {
    name: 'swarm',
    servers: [1, 7],
    steps: 900,
    dropMax: 0.3,
    duplicateMax: 0.3,
    lateMax: 0.05,
    hasSpares: false,
    weights: calm,
  },
  /** Leaders come and go before their entries get anywhere: what Figure 8 needs. */
  churn: {
    name: 'churn',
    servers: [5, 5],
    steps: 2000,
    dropMax: 0.55,
    duplicateMax: 0.1,
    lateMax: 0.4,
    hasSpares: false,
    weights: { ...calm, tick: 60, propose: 8, crash: 2, restart: 6, cut: 1.5, transfer: 2 },
  },
  membership: {
    name: 'membership',
    servers: [4, 6],
    steps: 1200,
    dropMax: 0.2,
    duplicateMax: 0.2,
    lateMax: 0.05,
    hasSpares: true,
    weights: { ...calm, membership: 4, snapshot: 1, crash: 1, restart: 4 },
  },
  farBehind: {
    name: 'farBehind',
    servers: [3, 5],
    steps: 1200,
    dropMax: 0.3,
    duplicateMax: 0.2,
    lateMax: 0.05,
    hasSpares: false,
    weights: { ...calm, snapshot: 6, propose: 30, crash: 1.2, restart: 2, cut: 1.5 },
  },
  /** Leaders lose office and come back, and are answered what they asked in an earlier term. */
  late: {
    name: 'late',
    servers: [3, 3],
    steps: 2500,
    dropMax: 0.3,
    duplicateMax: 0,
    lateMax: 1,
    hasSpares: false,
    weights: { ...calm, deliver: 200, propose: 20, cut: 2, transfer: 1 },
  },
  /** Leaders that are cut off and do not know it yet, asked all the time. */
  staleReads: {
    name: 'staleReads',
    servers: [3, 5],
    steps: 2500,
    dropMax: 0.2,
    duplicateMax: 0.3,
    lateMax: 0.05,
    hasSpares: false,
    weights: { ...calm, deliver: 200, read: 20, cut: 0.2, pause: 0.7, transfer: 1 },
  },
  /** Learners, observers, and disks that are lost. */
  disks: {
    name: 'disks',
    servers: [4, 7],
    steps: 1200,
    dropMax: 0.2,
    duplicateMax: 0.2,
    lateMax: 0.05,
    hasSpares: true,
    weights: { ...calm, membership: 2, observe: 6, wipe: 1, restart: 4, snapshot: 1, cut: 1 },
  },
} as const satisfies Record<string, Profile>

export type ProfileName = keyof typeof profiles
