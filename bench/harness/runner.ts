/**
 * Runs points on systems, interleaved: repetition by repetition, in each of them point by point, and at each point first
 * what the machine gives without a broker and then every system, in an order that turns with the repetition. Clusters are
 * started once for all points with their number of nodes; backlogs are written once, and all is warm before it is measured. What is to be cold comes last (cold.ts).
 */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import path from 'node:path'
import { Disposables } from '../../src/util/disposables.ts'
import { measureMachine } from '../limits/machine.ts'
import type { Comparison } from '../raft/comparisons.ts'
import { measureComparisons } from '../raft/measure.ts'
import { runCold } from './cold.ts'
import { type Collected, Collection } from './collection.ts'
import { RoundLimits } from './limits.ts'
import { describeCommit, describeMachine } from './machine.ts'
import { measureOn, settledBytes } from './measure-on.ts'
import { describePlan } from './plan.ts'
import { writeBack } from './processes.ts'
import { type ClusterDescription, type Results, resultsFormat, type SystemDescription } from './results.ts'
import type { Cluster, System, Timing } from './system.ts'
import { formatBytes } from './text.ts'
import { nameOf, type Point, pointsOf, type Workload } from './workload.ts'

export interface RunnerOptions {
  readonly workloads: readonly Workload[]
  readonly systems: readonly System[]
  /** Of consensus, before the points; of its groups each is under load for so long first. */
  readonly consensus: { readonly comparisons: readonly Comparison[]; readonly warmupSeconds: number }
  readonly repetitions: number
  readonly timing: Timing
  /** Of each limit probe. */
  readonly limitSeconds: number
  /** Load on every cluster before anything is measured: compilers take that long. */
  readonly systemWarmupSeconds: (system: string) => number
  /** From the first record to a look at the memory of idle nodes. */
  readonly settleSeconds: number
  /** On the disk to be measured. */
  readonly directory: string
  readonly signal: AbortSignal
  /** A line for whoever waits. */
  readonly tell: (line: string) => void
}

interface Running {
  readonly system: System
  readonly cluster: Cluster
  /** Names of the points whose backlog is there. */
  readonly filled: ReadonlySet<string>
}

export async function runBenchmarks(options: RunnerOptions): Promise<Results> {
  const { workloads, systems, repetitions, timing, tell } = options
  const directory = mkdtempSync(path.join(options.directory, 'bench-run-'))
  const startedAt = new Date().toISOString()
  const machine = describeMachine(directory)
  const collected = new Collection()
  const clusters: Record<string, ClusterDescription[]> = {}
  try {
    const missing = new Map<string, string | null>()
    for (const { name, missing: ask } of systems) missing.set(name, await ask())
    for (const [name, what] of missing) if (what !== null) tell(`${name} is skipped: ${what}`)
    const present = systems.filter(({ name }) => missing.get(name) === null)
    tell(describePlan({ ...options, systems: present }))
    tell('what the machine gives')
    const machineLimits = await measureMachine(directory, options.limitSeconds)
    const { comparisons, warmupSeconds } = options.consensus
    if (comparisons.length > 0) tell('consensus')
    const rounds = { rounds: repetitions, seconds: timing.seconds }
    const raft = await measureComparisons(comparisons, { ...rounds, warmupSeconds, directory })
    for (const nodes of [1, 3] as const) {
      const points = workloads.filter(workload => workload.nodes === nodes && !workload.isCold).flatMap(pointsOf)
      if (points.length === 0 || options.signal.aborted) continue
      await runOnClusters({ ...options, directory }, nodes, points, present, clusters, collected)
    }
    const coldPoints = workloads.filter(({ isCold }) => isCold).flatMap(pointsOf)
    await runCold({ ...options, directory }, coldPoints, present, collected)
    return {
      format: resultsFormat,
      startedAt,
      endedAt: new Date().toISOString(),
      machine,
      commit: describeCommit(),
      repetitions,
      warmupSeconds: timing.warmupSeconds,
      seconds: timing.seconds,
      machineLimits,
      systems: systems.map(
        ({ name }): SystemDescription => ({
          system: name,
          skipped: missing.get(name) ?? null,
          clusters: clusters[name] ?? [],
        }),
      ),
      points: collected.results(),
      raft,
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function runOnClusters(
  options: RunnerOptions,
  nodes: 1 | 3,
  points: readonly Point[],
  systems: readonly System[],
  clusters: Record<string, ClusterDescription[]>,
  collected: Collection,
): Promise<void> {
  const running: Running[] = []
  const cleanups = new Disposables()
  try {
    for (const system of systems) {
      try {
        const { cluster, description } = await startCluster(options, system, nodes, points)
        cleanups.use(cluster)
        ;(clusters[system.name] ??= []).push(description)
        const filled = await fill(options, system, cluster, points, collected)
        await warmUp(options, { system, cluster, filled }, points)
        running.push({ system, cluster, filled })
      } catch (error) {
        // The others have their figures all the same; this one's points are failures.
        const what = new Error(`it could not be started and warmed up: ${(error as Error).message}`)
        for (const point of points) collected.of(point).fail(options.tell, system.name, what)
      }
    }
    for (let repetition = 0; repetition < options.repetitions; repetition++) {
      const limits = new RoundLimits(options.directory, options.limitSeconds)
      for (const point of points) {
        if (options.signal.aborted) return
        const into = collected.of(point)
        await writeBack()
        into.limits.push(await limits.of(point))
        for (const [at] of running.entries()) {
          const turn = running[(at + repetition) % running.length]!
          const progress = `${nodes} node${nodes === 1 ? '' : 's'}, ${repetition + 1}/${options.repetitions}`
          options.tell(`${progress}: ${nameOf(point)} on ${turn.system.name}`)
          await measureInto(into, options, turn)
        }
      }
    }
  } finally {
    await cleanups.dispose()
  }
}

async function startCluster(
  { directory, settleSeconds, tell }: RunnerOptions,
  system: System,
  nodes: 1 | 3,
  points: readonly Point[],
): Promise<{ cluster: Cluster; description: ClusterDescription }> {
  tell(`starting ${system.name}, ${nodes} node${nodes === 1 ? '' : 's'}`)
  const durabilities = new Set(points.map(({ durability }) => durability))
  const cluster = await system.start({ nodes, durabilities, directory })
  const idleBytes = await settledBytes(cluster, settleSeconds)
  const { version, configuration, firstRecordSeconds } = cluster
  return { cluster, description: { nodes, version, configuration, firstRecordSeconds, idleBytes } }
}

/** Returns the names of the points that can be read; those whose backlog has no room are failures. */
async function fill(
  { timing, directory, tell }: RunnerOptions,
  { name }: System,
  cluster: Cluster,
  points: readonly Point[],
  collected: Collection,
): Promise<Set<string>> {
  const filled = new Set<string>()
  for (const point of points.filter(({ workload }) => workload.kind === 'consume')) {
    try {
      tell(`writing the backlog of ${nameOf(point)} on ${name}`)
      checkRoom(point, timing, directory)
      if (await cluster.fill(point, timing)) filled.add(nameOf(point))
    } catch (error) {
      collected.of(point).fail(tell, name, error)
    }
  }
  return filled
}

/** What a backlog takes of the disk beside its values, at most, as a factor; small records are half headers in some systems. */
const roomFactor = 2
const roomBytesMin = 2e9

function checkRoom({ workload, consumerBacklogSizeGB }: Point, { scale }: Timing, directory: string): void {
  const { bavail, bsize } = statfsSync(directory)
  const neededBytes = roomBytesMin + roomFactor * workload.replicationFactor * scale * consumerBacklogSizeGB * 1e9
  if (bavail * bsize < neededBytes)
    throw new Error(`${directory} has ${formatBytes(bavail * bsize)} left, and ${formatBytes(neededBytes)} are needed`)
}

/** With a backlog, and then with one point each of producing and end to end, so that all code is compiled. */
async function warmUp(
  options: RunnerOptions,
  { system, cluster, filled }: Running,
  points: readonly Point[],
): Promise<void> {
  const seconds = options.systemWarmupSeconds(system.name)
  if (seconds === 0) return
  const chosen = warmUpPoints(points).filter(point => isReadable(point, filled))
  const timed = chosen.filter(({ workload }) => workload.kind !== 'consume').length
  for (const point of chosen) {
    options.tell(`warming up ${system.name} with ${nameOf(point)}`)
    await cluster.measure(point, { ...options.timing, warmupSeconds: seconds / Math.max(1, timed) })
  }
}

/** Of each kind the one that handles the most records a second: many small ones in a send, and the highest rate. */
function warmUpPoints(points: readonly Point[]): Point[] {
  const work = ({ workload, producerRate }: Point): number =>
    producerRate + workload.recordsPerSend / workload.messageSize
  return (['consume', 'produce', 'end-to-end'] as const).flatMap(kind => {
    const candidates = points.filter(({ workload, durability }) => workload.kind === kind && durability === 'os')
    return candidates.toSorted((a, b) => work(b) - work(a))[0] ?? []
  })
}

async function measureInto(
  into: Collected,
  { timing, tell }: RunnerOptions,
  { system, cluster, filled }: Running,
): Promise<void> {
  const { point } = into
  await into.run(system.name, tell, () =>
    isReadable(point, filled) ? measureOn(cluster, system, point, timing) : null,
  )
}

/** Nothing is read of it, or what is read is there. */
function isReadable(point: Point, filled: ReadonlySet<string>): boolean {
  return point.workload.kind !== 'consume' || filled.has(nameOf(point))
}
