/**
 * Which brokers hold the replicas of new partitions. Brokers stand in one ring that alternates between racks; partition
 * p is led by the one at `start + p`, so leaders are spread evenly, and its followers are taken onwards from there with
 * a shift that grows each time the ring has been gone round, so that one broker's partitions have different followers.
 * Within a partition, racks are used as evenly as the brokers allow.
 */
import { assert, assertAtMost } from '../util/assert.ts'
import type { NodeId } from '../util/numbers.ts'
import { toLeaderEpoch } from '../util/numbers.ts'
import type { BrokerImage, MetadataImage, PartitionImage } from './image.ts'
import { neverUnclean, type RecordOf } from './record-types.ts'

type PlacedBroker = Pick<BrokerImage, 'nodeId' | 'rack'>

/** Brokers that may get replicas and lead. In the order of the ring. */
export function availableBrokers(image: MetadataImage): PlacedBroker[] {
  return rackRing([...image.brokers.values()].filter(isAvailable))
}

/** Heard of, fit, and not draining. */
export function isAvailable(broker: BrokerImage): boolean {
  return !broker.isFenced && !broker.isUnfit && !broker.isDraining
}

/** Takes one broker of each rack in turn, lowest id first; brokers without a rack share one. */
export function rackRing(brokers: readonly PlacedBroker[]): PlacedBroker[] {
  const racks = new Map<string | null, PlacedBroker[]>()
  for (const broker of [...brokers].sort((a, b) => a.nodeId - b.nodeId)) {
    const rack = racks.get(broker.rack)
    if (rack === undefined) racks.set(broker.rack, [broker])
    else rack.push(broker)
  }
  const queues = [...racks].sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1)).map(([, queue]) => queue)
  const ring: PlacedBroker[] = []
  for (let round = 0; ring.length < brokers.length; round++) {
    for (const queue of queues) if (round < queue.length) ring.push(queue[round]!)
  }
  return ring
}

/** Replicas of partition `partition` of a topic whose placement begins at `start`; the preferred leader first. */
export function placeReplicas(
  ring: readonly PlacedBroker[],
  start: number,
  partition: number,
  replicationFactor: number,
): NodeId[] {
  assertAtMost(replicationFactor, ring.length, 'every replica has a broker of its own')
  assert(replicationFactor > 0, 'a partition has replicas')
  const turn = start + partition
  const leader = ring[turn % ring.length]!
  const others = ring.length - 1
  const shift = Math.floor(turn / ring.length)
  const candidates = Array.from({ length: others }, (_, k) => ring[(turn + 1 + ((shift + k) % others)) % ring.length]!)
  const usedRacks = new Map<string | null, number>([[leader.rack, 1]])
  const replicas = [leader.nodeId]
  while (replicas.length < replicationFactor) {
    const next = leastUsedRack(candidates, usedRacks)
    const [chosen] = candidates.splice(next, 1)
    usedRacks.set(chosen!.rack, (usedRacks.get(chosen!.rack) ?? 0) + 1)
    replicas.push(chosen!.nodeId)
  }
  return replicas
}

/** Where the placement of an existing topic began, so that more partitions go on with its spread. */
export function placementStartOf(
  ring: readonly PlacedBroker[],
  partitions: readonly PartitionImage[],
  otherwise: number,
): number {
  const first = partitions[0]?.replicas[0]
  const at = ring.findIndex(broker => broker.nodeId === first)
  return at === -1 ? otherwise : at
}

/** A partition that begins: whoever is available is in sync with nothing, and the first of them leads. */
export function newPartition(
  topicId: string,
  partition: number,
  replicas: readonly NodeId[],
  isUsable: (id: NodeId) => boolean,
): RecordOf<'partition'> {
  const isr = replicas.filter(isUsable)
  return {
    kind: 'partition',
    topicId,
    partition,
    replicas,
    isr,
    elr: [],
    addingReplicas: [],
    removingReplicas: [],
    leaderId: isr[0]!,
    leaderEpoch: toLeaderEpoch(0),
    partitionEpoch: 0,
    uncleanEpoch: neverUnclean,
    offlineReplicas: [],
  }
}

/** Position of the first candidate whose rack holds the fewest replicas. */
function leastUsedRack(candidates: readonly PlacedBroker[], usedRacks: ReadonlyMap<string | null, number>): number {
  let best = 0
  let bestUse = Number.POSITIVE_INFINITY
  for (const [at, { rack }] of candidates.entries()) {
    const use = usedRacks.get(rack) ?? 0
    if (use < bestUse) {
      best = at
      bestUse = use
    }
  }
  return best
}
