/** What a cluster is made of and what may happen to it, drawn from the seed of its run. */
import type { QuorumTiming } from '../../quorum/options.ts'
import { type NodeId, toNodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import { KiB, MiB } from '../../util/units.ts'
import type { LinkConditions } from '../quorum/links.ts'
import { type DataWorld, drawDataWorld, topicsOf } from './data-world.ts'
import { drawOperations, type OperationRates } from './operations.ts'

/** What the nemesis may do; the number is how often, on average, in a hundred virtual seconds. */
export type ClusterFault =
  | 'crash'
  | 'powerLoss'
  | 'crashAll'
  | 'shutdown'
  | 'pause'
  | 'isolate'
  | 'isolateLeader'
  | 'strikeLeader'
  | 'strikeFollower'
  | 'strikeNewcomer'
  | 'strikeHeir'
  | 'strikeProposal'
  | 'split'
  | 'bridge'
  | 'cutOneWay'
  | 'mend'
  | 'clog'
  | 'reset'
  | 'forget'
  | 'transfer'
  | 'diskStall'
  | 'diskFailure'
  | 'logDiskFailure'
  | 'logDiskSlow'
  | 'logDiskFull'
  | 'rot'
  | 'wipe'

export interface MachineWorld {
  readonly id: NodeId
  readonly isController: boolean
  readonly isBroker: boolean
}

export interface ClusterWorld {
  /** Controllers first, numbered from 1. One at least is a broker. */
  readonly machines: readonly MachineWorld[]
  /** Virtual milliseconds in which anything may go wrong. */
  readonly faultyMs: number
  /** The nodes start within so much time of one another. */
  readonly startMs: number
  readonly links: LinkConditions
  readonly driftMax: number
  readonly timing: QuorumTiming
  readonly snapshots: { readonly entriesMax: number; readonly retainedEntries: number }
  readonly writeDelayMeanMs: number
  /** Of the disks with the partitions. */
  readonly syncDelayMs: number
  readonly brokerSessionTimeoutMs: number
  readonly brokerHeartbeatIntervalMs: number
  /** On their way to one follower. */
  readonly replicationBytesMax: number
  /** Who has not had everything for so long leaves the in-sync replicas. */
  readonly lagMsMax: number
  /** What is kept free on the disks with the partitions, and how often that is looked at. */
  readonly space: { readonly reserveBytes: number; readonly checkIntervalMs: number }
  readonly clientCount: number
  /** Between two operations of one client, on average. */
  readonly thinkMs: number
  /** The fewer, the more often a topic is created anew under an old name. */
  readonly topicNameCount: number
  readonly data: DataWorld
  readonly operations: OperationRates
  /** Loss of power takes along what a disk has not taken. */
  readonly losesCaches: boolean
  /** Of what is committed a good copy must stay where it is believed. */
  readonly isCautious: boolean
  /** The less, the more is read from files. */
  readonly tailCacheBytesMax: number
  readonly faults: Readonly<Partial<Record<ClusterFault, number>>>
  /** How long a crashed or stopped node stays away, on average. */
  readonly awayMeanMs: number
}

export function drawClusterWorld(random: Random): ClusterWorld {
  const upTo = (max: number): number => random.nextFloat() * max
  const between = (min: number, max: number): number => min + random.nextInt(max - min + 1)
  const machines = drawMachines(random)
  const data = drawDataWorld(random, machines.filter(({ isBroker }) => isBroker).length)
  const hasOs = topicsOf(data).some(({ flushPolicy }) => flushPolicy === 'os')
  const losesCaches = !hasOs || random.nextInt(2) === 0
  const isCautious = hasOs && losesCaches
  const faults = withoutDoubt(drawFaults(random), hasOs && !isCautious, random)
  return {
    machines,
    faultyMs: between(10, 20) * 1000,
    startMs: random.nextInt(3) === 0 ? 4000 : 300,
    links: {
      delayMinMs: upTo(2),
      delayMeanMs: upTo(15),
      // What a wire loses TCP sends again: sockets see delay, and cuts.
      lossRate: 0,
      duplicateRate: 0,
      isOrdered: true,
      capacity: Number.POSITIVE_INFINITY,
    },
    driftMax: random.nextInt(2) === 0 ? 0 : 0.1,
    timing: { tickMs: 100, electionTimeoutMs: 1000, heartbeatMs: 200, sliceMs: 0 },
    snapshots: { entriesMax: between(5, 100), retainedEntries: between(0, 10) },
    writeDelayMeanMs: upTo(15),
    syncDelayMs: [0, 1, 2, 20][random.nextInt(4)]!,
    ...(random.nextInt(2) === 0
      ? { brokerSessionTimeoutMs: 3_000, brokerHeartbeatIntervalMs: 500 }
      : { brokerSessionTimeoutMs: 1_000, brokerHeartbeatIntervalMs: 200 }),
    // A request to a follower holds one batch or many, and what it lacks takes one or all.
    replicationBytesMax: [KiB, 16 * MiB][random.nextInt(2)]!,
    lagMsMax: [500, 2_000, 10_000][random.nextInt(3)]!,
    // Where nothing is kept free, a disk that has filled up takes what is small enough again before others know of it.
    space:
      random.nextInt(2) === 0
        ? { reserveBytes: 32 * MiB, checkIntervalMs: 5_000 }
        : { reserveBytes: 0, checkIntervalMs: 20 },
    clientCount: between(2, 4),
    thinkMs: between(50, 400),
    topicNameCount: between(2, 4),
    data,
    operations: drawOperations(random),
    losesCaches,
    isCautious,
    tailCacheBytesMax: [2, 16, 64][random.nextInt(3)]! * KiB,
    faults: { mend: 30, ...(isCautious ? withoutStops(faults) : faults) },
    awayMeanMs: between(300, 4000),
  }
}

function drawMachines(random: Random): MachineWorld[] {
  const controllerCount = [3, 3, 3, 4, 5][random.nextInt(5)]!
  const isCombined = random.nextInt(3) > 0
  const observerCount = isCombined ? [0, 0, 1, 2][random.nextInt(4)]! : 1 + random.nextInt(3)
  return Array.from({ length: controllerCount + observerCount }, (_, at) => ({
    id: toNodeId(at + 1),
    isController: at < controllerCount,
    isBroker: isCombined || at >= controllerCount,
  }))
}

/** Most worlds know some of the faults, so that a few can show what they do alone. */
function drawFaults(random: Random): Partial<Record<ClusterFault, number>> {
  const chosen: Partial<Record<ClusterFault, number>> = {}
  for (const [fault, rate] of Object.entries(faultRates) as Array<[ClusterFault, number]>) {
    if (random.nextInt(2) > 0) chosen[fault] = rate * 2 * random.nextFloat()
  }
  return chosen
}

/**
 * Who has lost its disk must not be the last one that is believed. Nobody is who was killed under `os`, or could not write
 * down under which epoch it was registered.
 */
function withoutDoubt(
  faults: Partial<Record<ClusterFault, number>>,
  isDoubted: boolean,
  random: Random,
): Partial<Record<ClusterFault, number>> {
  const { wipe, ...others } = faults
  if (wipe === undefined || isDoubted || random.nextInt(2) === 0) return others
  const { logDiskFailure: _failure, logDiskFull: _full, ...sure } = others
  return { ...sure, wipe }
}

/** Nobody stops but with the power of its machine, when the others are there: see fault-atlas.ts. */
function withoutStops(faults: Partial<Record<ClusterFault, number>>): Partial<Record<ClusterFault, number>> {
  const stops: readonly ClusterFault[] = ['crash', 'crashAll', 'shutdown', 'diskStall', 'diskFailure', 'logDiskFailure']
  const left = Object.entries(faults).filter(([fault]) => !stops.includes(fault as ClusterFault))
  return { ...Object.fromEntries(left), powerLoss: 20 }
}

const faultRates: Partial<Record<ClusterFault, number>> = {
  crash: 12,
  powerLoss: 10,
  crashAll: 2,
  shutdown: 8,
  pause: 12,
  isolate: 8,
  isolateLeader: 12,
  strikeLeader: 12,
  strikeFollower: 12,
  strikeNewcomer: 12,
  strikeHeir: 12,
  strikeProposal: 12,
  split: 8,
  bridge: 4,
  cutOneWay: 8,
  clog: 10,
  reset: 12,
  forget: 6,
  transfer: 6,
  diskStall: 6,
  diskFailure: 4,
  logDiskFailure: 4,
  logDiskSlow: 6,
  logDiskFull: 6,
  rot: 40,
  wipe: 8,
}
