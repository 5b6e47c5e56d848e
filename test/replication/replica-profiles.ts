/** What the replicas of a partition go through: how many, on what disks, how lossy a network, how often each thing happens. */
import type { FlushPolicy } from './value-log.ts'

export interface ReplicaProfile {
  readonly name: string
  readonly nodes: readonly [min: number, max: number]
  readonly policy: FlushPolicy
  readonly steps: number
  /** Of a packet that is due: lost; delivered, and kept to come again at any time. */
  readonly dropMax: number
  readonly lateMax: number
  readonly weights: Readonly<Record<ReplicaAction, number>>
}

export type ReplicaAction =
  | 'tick'
  | 'produce'
  | 'send'
  | 'deliver'
  | 'sync'
  | 'learn'
  | 'propose'
  | 'loseLink'
  | 'isolate'
  | 'crash'
  | 'start'
  | 'fence'
  | 'heard'
  | 'balance'
  | 'checkpoint'
  | 'trim'

const calm: Record<ReplicaAction, number> = {
  tick: 10,
  produce: 12,
  send: 60,
  deliver: 120,
  sync: 40,
  learn: 15,
  propose: 12,
  loseLink: 1,
  isolate: 0.6,
  crash: 0.8,
  start: 4,
  fence: 0.8,
  heard: 4,
  balance: 0.5,
  checkpoint: 1,
  trim: 0,
}

export const replicaProfiles = {
  swarm: {
    name: 'swarm',
    nodes: [1, 5],
    policy: 'sync',
    steps: 1200,
    dropMax: 0.2,
    lateMax: 0.1,
    weights: calm,
  },
  /** Leaders come and go, and are told late that they have gone. */
  churn: {
    name: 'churn',
    nodes: [3, 3],
    policy: 'sync',
    steps: 1500,
    dropMax: 0.3,
    lateMax: 0.3,
    weights: { ...calm, learn: 6, fence: 3, heard: 10, balance: 4, crash: 1.5, start: 8 },
  },
  /** The ISR shrinks and grows all the time, and its leader hears late of what became of that. */
  isr: {
    name: 'isr',
    nodes: [3, 4],
    policy: 'sync',
    steps: 1500,
    dropMax: 0.3,
    lateMax: 0.1,
    weights: { ...calm, produce: 20, propose: 30, learn: 3, isolate: 4, heard: 10, fence: 2.5 },
  },
  /** Acknowledged from the page cache; one broker at a time loses power. */
  pageCache: {
    name: 'pageCache',
    nodes: [3, 4],
    policy: 'os',
    steps: 1500,
    dropMax: 0.2,
    lateMax: 0.3,
    weights: { ...calm, crash: 6, start: 20, produce: 20, propose: 40, sync: 4 },
  },
  /** Old records are deleted, so that whoever was away begins anew behind them. */
  trimmed: {
    name: 'trimmed',
    nodes: [3, 3],
    policy: 'sync',
    steps: 1500,
    dropMax: 0.2,
    lateMax: 0.1,
    weights: { ...calm, trim: 6, produce: 20, isolate: 1.5, crash: 1, fence: 1.5, heard: 6 },
  },
} as const satisfies Record<string, ReplicaProfile>

export type ReplicaProfileName = keyof typeof replicaProfiles
