/**
 * One run of a cluster of whole nodes: a function of its seed. First anything may go wrong while administrators work; then
 * the faults end, the cluster must come together, and what the administrators saw is judged.
 */
import { toNodeId } from '../../util/numbers.ts'
import { type Random, seededRandom } from '../../util/random.ts'
import { checkLinearizable, History } from '../linearizability.ts'
import { type TopicsInput, type TopicsOutput, topicsModel } from '../linearizability-models.ts'
import { forkRandom } from '../quorum/cluster.ts'
import { Violation } from '../quorum/invariants/invariant.ts'
import type { Turns } from '../quorum/run.ts'
import { Trace } from '../quorum/trace.ts'
import { AdminClient } from './admin-load.ts'
import { ClientMachine } from './client-machine.ts'
import { NodeCluster } from './cluster.ts'
import { type ClusterRules, soundClusterRules } from './cluster-rules.ts'
import { DataLoad } from './data-load.ts'
import { ClusterHealing } from './healing.ts'
import { ClusterNemesis } from './nemesis.ts'
import { Operator } from './operator.ts'
import { type ClusterProfileName, drawProfile } from './profiles.ts'
import type { ClusterSometimesCounts } from './sometimes.ts'
import type { ClusterFault } from './world.ts'

export interface ClusterRunOptions {
  readonly seed: number
  readonly turns: Turns
  /** Default `cluster`: a little of everything. */
  readonly profile?: ClusterProfileName
  /** Rules that are broken on purpose, to see whether it is noticed. */
  readonly broken?: Partial<ClusterRules>
  readonly onTraceLine?: (line: string) => void
}

export interface ClusterRunResult {
  readonly seed: number
  readonly profile: ClusterProfileName
  readonly failure: Error | null
  readonly traceHash: string
  /** The last of what happened, for people. */
  readonly traceTail: () => readonly string[]
  readonly events: number
  readonly virtualMs: number
  readonly operations: number
  /** The history was too long to be judged: nothing is known to be wrong, nor to be right. */
  readonly isUndecided: boolean
  readonly faults: Readonly<Partial<Record<ClusterFault, number>>>
  readonly sometimes: ClusterSometimesCounts
  readonly messages: { readonly carried: number; readonly connections: number; readonly resets: number }
}

const traceLinesKept = 400
/** A run that goes on longer is caught in a loop. */
const eventsMax = 2_000_000
/** Above the nodes' numbers, below 1,024: a wire is known by the two at its ends. */
const firstClientId = 101
const firstDataClientId = 201
const operatorId = 301
/** Everything on the disks is compared so often, and a part of it when something moves. */
const watchIntervalMs = 25

export async function simulateCluster(options: ClusterRunOptions): Promise<ClusterRunResult> {
  const { seed, turns, profile = 'cluster', broken = {}, onTraceLine = null } = options
  const random = seededRandom(seed)
  const trace = new Trace(traceLinesKept, onTraceLine)
  const world = drawProfile(profile, forkRandom(random))
  const rules = { ...soundClusterRules, ...broken }
  const cluster = new NodeCluster({ world, random: forkRandom(random), trace, rules })
  const run = new ClusterRun(cluster, forkRandom(random))
  await turns(() => run.next())
  const { connected, reset } = cluster.sockets.counts
  return {
    seed,
    profile,
    failure: run.failure,
    traceHash: trace.hash(),
    traceTail: () => trace.tail(),
    events: run.events,
    virtualMs: cluster.timeline.nowMs,
    operations: run.operations,
    isUndecided: run.isUndecided,
    faults: run.nemesis.counts,
    sometimes: cluster.sometimes,
    messages: { carried: cluster.links.counts.carried, connections: connected, resets: reset },
  }
}

class ClusterRun {
  readonly nemesis: ClusterNemesis
  isUndecided = false
  events = 0
  readonly #cluster: NodeCluster
  readonly #history = new History<TopicsInput, TopicsOutput>()
  readonly #healing: ClusterHealing
  readonly #data: DataLoad

  constructor(cluster: NodeCluster, random: Random) {
    this.#cluster = cluster
    const { timeline, world, ids } = cluster
    const clients = Array.from(
      { length: world.clientCount },
      (_, at) => new AdminClient(toNodeId(firstClientId + at), cluster, this.#history, forkRandom(random)),
    )
    this.#data = new DataLoad(cluster, firstDataClientId, forkRandom(random))
    const operator = new Operator(new ClientMachine(toNodeId(operatorId), cluster, forkRandom(random)))
    const clientIds = [...clients.map(({ id }) => id), ...this.#data.ids, operator.id]
    this.nemesis = new ClusterNemesis(cluster, clientIds, forkRandom(random))
    this.#healing = new ClusterHealing(cluster, clients, operator, this.#data, forkRandom(random))
    for (const id of ids) timeline.after(random.nextFloat() * world.startMs, () => cluster.start(id))
    for (const client of clients) client.start()
    this.#data.start()
    operator.start()
    this.#watch()
    timeline.after(world.faultyMs, () => {
      this.nemesis.rest()
      this.#healing.begin()
    })
  }

  get operations(): number {
    return this.#history.operations.length + this.#data.operations
  }

  get failure(): Error | null {
    return this.#cluster.failure
  }

  /** One event; false when the run is over. */
  next(): boolean {
    try {
      if (this.failure !== null) return false
      this.#data.watch.sample()
      if (this.#healing.isDone) return this.#judge()
      if (++this.events > eventsMax || !this.#cluster.timeline.step()) throw new Violation('the run does not end')
      return true
    } catch (error) {
      this.#cluster.fail(error)
      return false
    }
  }

  #judge(): false {
    const verdict = checkLinearizable(topicsModel, this.#history.operations)
    if (verdict.kind === 'violation') throw new Violation(`linearizable topics:\n${verdict.account}`)
    this.isUndecided = verdict.kind === 'undecided'
    this.#data.judge()
    return false
  }

  #watch(): void {
    this.#cluster.timeline.after(watchIntervalMs, () => {
      this.#data.watch.checkAll()
      this.#watch()
    })
  }
}
