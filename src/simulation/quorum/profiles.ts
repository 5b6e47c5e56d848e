/**
 * What may happen in a run, drawn from its seed: first a profile, then its parameters (FAULTS.md 1.4 and 5.3 have where
 * the ranges come from). Two seeds of one profile are two different worlds.
 */
import type { QuorumTiming } from '../../quorum/options.ts'
import type { Random } from '../../util/random.ts'
import type { LinkConditions } from './links.ts'

export const profileNames = ['swarm', 'churn', 'storage', 'membership', 'farBehind'] as const
export type ProfileName = (typeof profileNames)[number]

/** What the nemesis may do; the number is how often, on average, in a hundred virtual seconds. */
export type Fault =
  | 'crash'
  | 'crashAll'
  | 'pause'
  | 'isolate'
  | 'isolateLeader'
  | 'split'
  | 'strand'
  | 'bridge'
  | 'ring'
  | 'cutOneWay'
  | 'mend'
  | 'clog'
  | 'breakConnections'
  | 'transfer'
  | 'addVoter'
  | 'removeVoter'
  | 'wipe'
  | 'diskStall'
  | 'diskFull'
  | 'diskError'
  | 'diskHang'
  | 'damage'

export interface World {
  readonly profile: ProfileName
  /** First voters, numbered from 1; the spares come after them. */
  readonly voterCount: number
  readonly spareCount: number
  /** Virtual milliseconds in which anything may go wrong. */
  readonly faultyMs: number
  readonly links: LinkConditions
  /** Clocks run by up to this part of a second a second too fast or too slow. */
  readonly driftMax: number
  /** How long a turn of an event loop takes: on a busy one a snapshot is restored while a lot happens. */
  readonly turnMs: number
  readonly timing: QuorumTiming
  readonly snapshots: { readonly entriesMax: number; readonly retainedEntries: number }
  readonly limits: {
    readonly appendBytesMax: number
    readonly inFlightCountMax: number
    readonly inFlightBytesMax: number
    readonly uncommittedBytesMax: number
  }
  /** Of one piece of a snapshot, on the wire and on the disk. */
  readonly chunkBytesMax: number
  /** Of those on the wire. */
  readonly chunkDamageRate: number
  /** The members start within so much time of one another. */
  readonly startMs: number
  /** The last spare has founded a cluster of its own before it is asked to join this one. */
  readonly isLastSpareForeign: boolean
  readonly clientCount: number
  /** Between two operations of one client, on average. */
  readonly thinkMs: number
  /** Of an answer on its way to a client. */
  readonly answerLossRate: number
  readonly writeDelayMeanMs: number
  readonly faults: Readonly<Partial<Record<Fault, number>>>
  /** How long a crashed or stopped node stays away, on average. */
  readonly awayMeanMs: number
}

const shares: Record<ProfileName, number> = { swarm: 35, churn: 20, storage: 20, membership: 15, farBehind: 10 }

export function drawProfile(random: Random): ProfileName {
  let left = random.nextFloat() * 100
  for (const name of profileNames) if ((left -= shares[name]) < 0) return name
  return 'swarm'
}

/** The parameters of a world of this profile. */
export function drawWorld(profile: ProfileName, random: Random): World {
  const upTo = (max: number): number => random.nextFloat() * max
  const between = (min: number, max: number): number => min + random.nextInt(max - min + 1)
  const appendBytesMax = between(60, 600)
  const common: World = {
    profile,
    voterCount: [1, 2, 3, 3, 3, 4, 5, 5, 6, 7][random.nextInt(10)]!,
    spareCount: 0,
    faultyMs: between(10, 20) * 1000,
    links: {
      delayMinMs: upTo(5),
      delayMeanMs: upTo(40),
      // Half of the worlds lose little: where everything is lost nothing gets anywhere.
      lossRate: random.nextInt(2) === 0 ? upTo(0.02) : upTo(0.25),
      duplicateRate: random.nextInt(2) === 0 ? 0 : upTo(0.3),
      isOrdered: random.nextInt(2) === 0,
      capacity: between(20, 200),
    },
    driftMax: random.nextInt(2) === 0 ? 0 : 0.1,
    turnMs: random.nextInt(2) === 0 ? 0 : upTo(5),
    // Every piece of a snapshot in a turn of its own.
    timing: { tickMs: 100, electionTimeoutMs: 1000, heartbeatMs: 200, sliceMs: 0 },
    snapshots: { entriesMax: between(10, 200), retainedEntries: between(0, 20) },
    limits: {
      appendBytesMax,
      inFlightCountMax: between(1, 8),
      inFlightBytesMax: appendBytesMax * between(1, 4),
      uncommittedBytesMax: between(500, 20_000),
    },
    chunkBytesMax: between(50, 2000),
    chunkDamageRate: 0,
    startMs: random.nextInt(3) === 0 ? 5000 : 300,
    isLastSpareForeign: false,
    clientCount: between(2, 5),
    thinkMs: between(50, 400),
    answerLossRate: upTo(0.2),
    writeDelayMeanMs: upTo(30),
    faults: {},
    awayMeanMs: between(300, 4000),
  }
  return { ...common, ...overrides[profile](random, common) }
}

/** A fault that this world knows at all: most worlds know some of them, so that a few can show what they do alone. */
function some(random: Random, faults: Partial<Record<Fault, number>>): Partial<Record<Fault, number>> {
  const chosen: Partial<Record<Fault, number>> = {}
  for (const [fault, rate] of Object.entries(faults) as Array<[Fault, number]>) {
    if (random.nextInt(3) > 0) chosen[fault] = rate * 2 * random.nextFloat()
  }
  return chosen
}

const nets: Partial<Record<Fault, number>> = { isolate: 10, split: 10, bridge: 5, ring: 5, cutOneWay: 15, clog: 10 }

function swarm(random: Random): Partial<World> {
  return {
    // Sometimes somebody who belongs to no configuration looks on.
    spareCount: random.nextInt(4) === 0 ? 1 : 0,
    faults: {
      mend: 30,
      ...some(random, {
        ...nets,
        isolateLeader: 5,
        crash: 20,
        crashAll: 3,
        pause: 15,
        breakConnections: 8,
        transfer: 8,
      }),
      ...some(random, { diskStall: 3, diskError: 2, diskFull: 2, diskHang: 1 }),
    },
  }
}

/** Leaders come and go before their entries get anywhere: what Figure 8 needs. Half of them are sent away, not lost. */
function churn(random: Random, common: World): Partial<World> {
  const isOrderly = random.nextInt(2) === 0
  return {
    voterCount: random.nextInt(4) === 0 ? 3 : 5,
    links: { ...common.links, lossRate: random.nextFloat() * (isOrderly ? 0.05 : 0.4) },
    thinkMs: 50,
    awayMeanMs: 600,
    writeDelayMeanMs: random.nextFloat() * (random.nextInt(2) === 0 ? 30 : 400),
    // Clocks by which the old leader leaves after the new one was elected.
    driftMax: random.nextInt(2) === 0 ? 0 : 0.3,
    faults: isOrderly
      ? { mend: 60, transfer: 100, isolateLeader: 20, strand: 80, pause: 10 }
      : { mend: 60, isolateLeader: 60, crash: 60, pause: 20, transfer: 30, strand: 30, ...some(random, nets) },
  }
}

function storage(random: Random): Partial<World> {
  return {
    voterCount: [3, 3, 3, 5, 7][random.nextInt(5)]!,
    writeDelayMeanMs: random.nextFloat() * 80,
    faults: {
      mend: 30,
      crash: 25,
      damage: 12,
      wipe: 15,
      ...some(random, {
        crashAll: 8,
        diskStall: 15,
        diskError: 12,
        diskFull: 8,
        diskHang: 5,
        cutOneWay: 5,
        isolateLeader: 10,
      }),
    },
  }
}

function membership(random: Random): Partial<World> {
  return {
    voterCount: 1 + random.nextInt(3),
    spareCount: 2 + random.nextInt(3),
    isLastSpareForeign: random.nextInt(4) === 0,
    snapshots: { entriesMax: 5 + random.nextInt(60), retainedEntries: random.nextInt(8) },
    faults: {
      mend: 40,
      addVoter: 50,
      removeVoter: 40,
      wipe: 4,
      ...some(random, { ...nets, crash: 25, pause: 10, isolateLeader: 30, transfer: 15, crashAll: 3 }),
    },
  }
}

function farBehind(random: Random, common: World): Partial<World> {
  return {
    voterCount: [3, 3, 4, 5][random.nextInt(4)]!,
    thinkMs: 30,
    clientCount: 5,
    links: { ...common.links, lossRate: random.nextFloat() * 0.1 },
    snapshots: { entriesMax: 5 + random.nextInt(20), retainedEntries: random.nextInt(4) },
    chunkBytesMax: 30 + random.nextInt(200),
    turnMs: random.nextInt(2) === 0 ? 0 : random.nextFloat() * 60,
    chunkDamageRate: random.nextInt(2) === 0 ? 0 : random.nextFloat() * 0.1,
    awayMeanMs: 4000,
    faults: {
      mend: 20,
      isolate: 25,
      crash: 30,
      transfer: 25,
      breakConnections: 15,
      ...some(random, { pause: 15, clog: 15 }),
    },
  }
}

const overrides: Record<ProfileName, (random: Random, common: World) => Partial<World>> = {
  swarm,
  churn,
  storage,
  membership,
  farBehind,
}
