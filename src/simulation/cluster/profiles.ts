/** Kinds of simulated clusters: each makes something happen often that is rare elsewhere. */
import { toNodeId } from '../../util/numbers.ts'
import { type Random, seededRandom } from '../../util/random.ts'
import type { DataTopic, DataWorld } from './data-world.ts'
import { type ClusterFault, type ClusterWorld, drawClusterWorld } from './world.ts'

export const clusterProfileNames = ['cluster', 'replicas', 'replicasOnOs', 'leaders', 'unclean'] as const
export type ClusterProfileName = (typeof clusterProfileNames)[number]

/** Draws from `random` as often in every profile as its world needs. */
export function drawProfile(profile: ClusterProfileName, random: Random): ClusterWorld {
  const world = drawClusterWorld(random)
  switch (profile) {
    case 'cluster':
      return world
    case 'replicas':
      return withFewReplicas(world, 'sync', random)
    case 'replicasOnOs':
      return withFewReplicas(world, 'os', random)
    case 'leaders':
      return withCalmController(withFewReplicas(world, random.nextInt(2) === 0 ? 'sync' : 'os', random), random)
    case 'unclean':
      return withUncleanElections(withFewReplicas(world, 'sync', random), random)
  }
}

/** How much is under way when something breaks: now and then a batch, or always several of each producer. */
const loads: readonly Pick<DataWorld, 'lanes' | 'thinkMs' | 'inFlightMax'>[] = [
  { lanes: 2, thinkMs: 300, inFlightMax: 1 },
  { lanes: 3, thinkMs: 80, inFlightMax: 2 },
  { lanes: 5, thinkMs: 50, inFlightMax: 5 },
]

/**
 * The same with a controller of its own that nothing happens to: whoever is struck is replaced within a second, and while
 * that is decided the others are at work.
 */
function withCalmController(world: ClusterWorld, random: Random): ClusterWorld {
  const own = seededRandom(random.nextInt(2 ** 31))
  const faults: Partial<Record<ClusterFault, number>> = {
    mend: 150,
    reset: 20,
    strikeLeader: 80,
    strikeFollower: 50,
    strikeNewcomer: 50,
    strikeHeir: 80,
    strikeProposal: 50,
    ...(world.isCautious ? {} : { logDiskFull: 20 }),
  }
  const calm: ClusterWorld = {
    ...world,
    machines: [1, 2, 3, 4].map(id => ({ id: toNodeId(id), isController: id === 1, isBroker: id > 1 })),
    driftMax: 0,
    brokerSessionTimeoutMs: 1_000,
    brokerHeartbeatIntervalMs: 200,
    data: { ...world.data, ...loads[own.nextInt(loads.length)]! },
    faults,
    awayMeanMs: [50, 300, 1_000][own.nextInt(3)]!,
  }
  return own.nextInt(4) === 0 ? withLargeSends(calm) : calm
}

/** The same, with many requests on their way, of which some are refused as too large: what is behind them must wait. */
function withLargeSends(world: ClusterWorld): ClusterWorld {
  const topics = world.data.topics.map(topic => ({ ...topic, maxMessageBytes: 400 }))
  return { ...world, data: { ...world.data, ...loads.at(-1)!, topics, paddingBytes: 100 } }
}

const uncleanFaults: Partial<Record<ClusterFault, number>> = {
  strikeLeader: 40,
  strikeFollower: 40,
  strikeNewcomer: 20,
  pause: 30,
  isolate: 30,
  crash: 10,
  powerLoss: 10,
  wipe: 6,
}

/** The same, but whoever is there may lead, and nothing keeps the last good copy from harm. */
function withUncleanElections(world: ClusterWorld, random: Random): ClusterWorld {
  const own = seededRandom(random.nextInt(2 ** 31))
  const flushPolicy = own.nextInt(3) === 0 ? 'os' : 'sync'
  const topics = world.data.topics.map(topic => ({ ...topic, flushPolicy, isUncleanAllowed: true }) as const)
  return {
    ...world,
    // Lives long enough to know something, and away long enough for somebody else to be elected meanwhile.
    faultyMs: (18 + own.nextInt(12)) * 1000,
    awayMeanMs: 1_000 + own.nextInt(3_000),
    brokerSessionTimeoutMs: 1_500,
    brokerHeartbeatIntervalMs: 300,
    data: { ...world.data, topics, shortLived: null },
    faults: { ...uncleanFaults, mend: 40, reset: 10 },
  }
}

/** Three nodes, one or two partitions, and blows at who keeps them: leaders change as often as they can. */
function withFewReplicas(world: ClusterWorld, flushPolicy: DataTopic['flushPolicy'], random: Random): ClusterWorld {
  const own = seededRandom(random.nextInt(2 ** 31))
  const between = (min: number, max: number): number => min + own.nextInt(max - min + 1)
  const isOs = flushPolicy === 'os'
  const topic: DataTopic = {
    name: 'd1',
    partitions: between(1, 2),
    replicationFactor: 3,
    minInsyncReplicas: isOs ? 2 : between(1, 2),
    flushPolicy,
    segmentBytes: [2_000, 1_000_000][own.nextInt(2)]!,
    maxMessageBytes: null,
    isUncleanAllowed: false,
  }
  const faults: Partial<Record<ClusterFault, number>> = isOs
    ? { powerLoss: 60, strikeLeader: 60, strikeFollower: 40, strikeNewcomer: 20 }
    : { crash: 20, powerLoss: 30, strikeLeader: 60, strikeFollower: 40, strikeNewcomer: 20, logDiskFull: 20 }
  return {
    ...world,
    machines: [1, 2, 3].map(id => ({ id: world.machines[id - 1]!.id, isController: true, isBroker: true })),
    faultyMs: between(8, 12) * 1000,
    startMs: 100,
    clientCount: 1,
    thinkMs: 1_000,
    topicNameCount: 1,
    operations: own.nextInt(2) === 0 ? {} : world.operations,
    losesCaches: true,
    isCautious: isOs,
    data: {
      ...world.data,
      topics: [topic],
      shortLived: own.nextInt(2) === 0 ? null : { ...topic, name: 'e1', partitions: 1 },
      producerCount: 2,
      readerCount: 2,
      lanes: between(2, 4),
      thinkMs: between(20, 80),
    },
    faults: { mend: 80, pause: 20, isolate: 10, reset: 20, ...faults },
    awayMeanMs: between(200, 1_500),
  }
}
