/**
 * Which of some brokers shall hold each partition of a topic: every broker about as many, every rack about as many of a
 * partition's replicas, every broker the preferred leader of about as many, and as little moved as that allows.
 */

export interface PlannedBroker {
  readonly nodeId: number
  /** Brokers without one share one. */
  readonly rack: string | null
}

export interface PartitionPlacement {
  readonly partition: number
  /** The preferred leader first. */
  readonly replicas: readonly number[]
}

/**
 * The new replicas of each of `partitions`, `replicaCount` of them, the preferred leader first. There must be as many
 * brokers.
 */
export function planReassignment(
  partitions: readonly PartitionPlacement[],
  brokers: readonly PlannedBroker[],
  replicaCount: number,
): PartitionPlacement[] {
  const plan = new Plan(brokers, replicaCount, partitions.length)
  for (const { partition, replicas } of partitions) plan.keep(partition, replicas)
  for (const { partition } of partitions) plan.fill(partition)
  plan.level()
  return plan.withLeaders(partitions)
}

interface Move {
  /** The replicas of the partition that moves. */
  readonly chosen: Set<number>
  readonly from: number
  readonly to: number
}

class Plan {
  readonly #racks: ReadonlyMap<number, string | null>
  readonly #replicaCount: number
  readonly #rackShare: RackShare
  /** Replicas on one broker at most, when all hold about as many. */
  readonly #perBrokerMax: number
  readonly #chosen = new Map<number, Set<number>>()
  readonly #loads: Map<number, number>

  constructor(brokers: readonly PlannedBroker[], replicaCount: number, partitionCount: number) {
    this.#racks = new Map(brokers.map(({ nodeId, rack }) => [nodeId, rack]))
    this.#loads = new Map(brokers.map(({ nodeId }) => [nodeId, 0]))
    this.#replicaCount = replicaCount
    this.#perBrokerMax = Math.ceil((partitionCount * replicaCount) / brokers.length)
    this.#rackShare = shareOfRacks(brokers, replicaCount)
  }

  /** What is where it may stay: no copy is as cheap as one that is there. */
  keep(partition: number, replicas: readonly number[]): void {
    const chosen = new Set<number>()
    this.#chosen.set(partition, chosen)
    for (const nodeId of replicas) {
      const load = this.#loads.get(nodeId)
      if (load === undefined || load >= this.#perBrokerMax || chosen.size === this.#replicaCount) continue
      if (this.#hasRackRoom(chosen, nodeId)) this.#add(chosen, nodeId)
    }
  }

  /** Adds the least loaded brokers until there are enough. */
  fill(partition: number): void {
    const chosen = this.#chosen.get(partition)!
    while (chosen.size < this.#replicaCount) {
      const others = [...this.#loads.keys()].filter(nodeId => !chosen.has(nodeId) && this.#hasRackRoom(chosen, nodeId))
      this.#add(chosen, this.#leastLoaded(others))
    }
  }

  /**
   * Moves replicas from brokers that have more to brokers that have fewer, perhaps by way of others, until racks allow
   * no more. The replica sets that racks allow are the bases of a matroid, so what no such way makes more level is as
   * level as any plan for these racks, and within one where all racks are as large (Murota, Discrete Convex Analysis: a
   * local minimum of an M-convex function, as the sum of squared loads is one here, is a global one).
   */
  level(): void {
    for (let way = this.#levellingWay(); way !== null; way = this.#levellingWay()) {
      for (const { chosen, from, to } of way) {
        chosen.delete(from)
        this.#loads.set(from, this.#loads.get(from)! - 1)
        this.#add(chosen, to)
      }
    }
  }

  /** Orders each partition's replicas so that preferred leaders are spread; whoever led before goes on where that allows. */
  withLeaders(partitions: readonly PartitionPlacement[]): PartitionPlacement[] {
    const placed = partitions.map(({ partition, replicas: before }) => {
      const chosen = this.#chosen.get(partition)!
      const kept = before.filter(nodeId => chosen.has(nodeId))
      return { partition, replicas: [...kept, ...[...chosen].filter(nodeId => !kept.includes(nodeId))] }
    })
    return spreadLeaders(placed, [...this.#loads.keys()])
  }

  /** Moves that take one replica from the most loaded broker that can spare one to one with two fewer at least. */
  #levellingWay(): readonly Move[] | null {
    const byLoad = [...this.#loads].sort(([, a], [, b]) => b - a)
    // Whatever a more loaded broker reached in vain is too loaded for a less loaded one as well.
    const reached = new Set<number>()
    for (const [nodeId, load] of byLoad) {
      const way = reached.has(nodeId) ? null : this.#shortestWay(nodeId, load - 2, reached)
      if (way !== null) return way
    }
    return null
  }

  /**
   * The shortest way from `start` to a broker with at most `loadMax`, past those `reached`. Its moves hold together, even
   * several of one partition, because a shortest way has no short cut (Schrijver, Combinatorial Optimization, on unique perfect
   * matchings in the exchange graph of a matroid).
   */
  #shortestWay(start: number, loadMax: number, reached: Set<number>): readonly Move[] | null {
    const ways = new Map<number, readonly Move[]>([[start, []]])
    for (const [from, way] of ways) {
      if (this.#loads.get(from)! <= loadMax) return way
      reached.add(from)
      for (const chosen of this.#chosen.values()) {
        if (!chosen.has(from)) continue
        const others = new Set(chosen)
        others.delete(from)
        for (const to of this.#loads.keys()) {
          if (chosen.has(to) || ways.has(to) || reached.has(to) || !this.#hasRackRoom(others, to)) continue
          ways.set(to, [...way, { chosen, from, to }])
        }
      }
    }
    return null
  }

  #hasRackRoom(chosen: ReadonlySet<number>, nodeId: number): boolean {
    const { usual, fullCount } = this.#rackShare
    const rack = this.#racks.get(nodeId)!
    const counts = new Map<string | null, number>()
    for (const other of chosen) counts.set(this.#racks.get(other)!, (counts.get(this.#racks.get(other)!) ?? 0) + 1)
    const here = counts.get(rack) ?? 0
    if (here < usual) return true
    return here === usual && [...counts.values()].filter(count => count > usual).length < fullCount
  }

  #leastLoaded(nodeIds: readonly number[]): number {
    return nodeIds.reduce((best, nodeId) => (this.#loads.get(nodeId)! < this.#loads.get(best)! ? nodeId : best))
  }

  #add(chosen: Set<number>, nodeId: number): void {
    chosen.add(nodeId)
    this.#loads.set(nodeId, this.#loads.get(nodeId)! + 1)
  }
}

/** Hands leaderships on, from brokers with more to brokers with fewer, perhaps by way of others, until that helps no more. */
function spreadLeaders(placed: PartitionPlacement[], nodeIds: readonly number[]): PartitionPlacement[] {
  for (;;) {
    const led = new Map(nodeIds.map(nodeId => [nodeId, 0]))
    for (const { replicas } of placed) led.set(replicas[0]!, led.get(replicas[0]!)! + 1)
    const mostFirst = [...nodeIds].sort((a, b) => led.get(b)! - led.get(a)!)
    const steps = mostFirst.map(from => handOver(placed, from, to => led.get(to)! <= led.get(from)! - 2))
    const step = steps.find(found => found !== null)
    if (step === undefined) return placed
    for (const { index, to } of step) {
      const { partition, replicas } = placed[index]!
      placed[index] = { partition, replicas: [to, ...replicas.filter(nodeId => nodeId !== to)] }
    }
  }
}

interface HandOver {
  /** Of the partition that gets another leader. */
  readonly index: number
  readonly to: number
}

/** The shortest way to take one leadership from `from` and give one to a broker that `isWanted`; `null` when there is none. */
function handOver(
  placed: readonly PartitionPlacement[],
  from: number,
  isWanted: (nodeId: number) => boolean,
): readonly HandOver[] | null {
  const ways = new Map<number, readonly HandOver[]>([[from, []]])
  for (const [nodeId, way] of ways) {
    if (isWanted(nodeId)) return way
    for (const [index, { replicas }] of placed.entries()) {
      if (replicas[0] !== nodeId) continue
      for (const to of replicas) if (!ways.has(to)) ways.set(to, [...way, { index, to }])
    }
  }
  return null
}

/** How evenly the replicas of a partition can be spread over racks of any size. */
interface RackShare {
  /** So many are in every rack that has as many brokers. */
  readonly usual: number
  /** In so many racks is one more. */
  readonly fullCount: number
}

function shareOfRacks(brokers: readonly PlannedBroker[], replicaCount: number): RackShare {
  const sizes = new Map<string | null, number>()
  for (const { rack } of brokers) sizes.set(rack, (sizes.get(rack) ?? 0) + 1)
  const roomAt = (limit: number): number => [...sizes.values()].reduce((sum, size) => sum + Math.min(size, limit), 0)
  let usual = 0
  while (roomAt(usual + 1) < replicaCount) usual++
  return { usual, fullCount: replicaCount - roomAt(usual) }
}
