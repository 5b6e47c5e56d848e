/**
 * How long a run will take, told before it begins. What the settings fix is counted; what depends on the machine, such as
 * how fast a backlog is read, is what docs/BENCHMARKS.md was measured with, rounded up.
 */
import { distinctLoads } from '../raft/measure.ts'
import { probesOf } from './limits.ts'
import type { RunnerOptions } from './runner.ts'
import { backlogRecordsOf, measuredRecordsOf, type Point, pointsOf } from './workload.ts'

export type Plan = Pick<
  RunnerOptions,
  | 'workloads'
  | 'systems'
  | 'consensus'
  | 'repetitions'
  | 'timing'
  | 'limitSeconds'
  | 'systemWarmupSeconds'
  | 'settleSeconds'
>

/** Beside each run: writing back what the one before left, topics, the command, what its nodes tell. */
const aroundRunSeconds = 0.8
/** Beside each limit probe, and each load of consensus: processes that start, and a file. */
const aroundProbeSeconds = 0.5
/** Nodes that start and end, and the client beside them. */
const startSeconds = 2
/** Of values, in sends that are not tiny. */
const writtenBytesPerSecond = 1.2e8
const readBytesPerSecond = 4e8
/** As many as `measureMachine` takes turns. */
const machineProbes = 7

export function describePlan(plan: Plan): string {
  const points = plan.workloads.flatMap(pointsOf).length
  const minutes = Math.max(1, Math.round(plannedSeconds(plan) / 60))
  return `${points} points, ${plan.repetitions} rounds, about ${minutes} min`
}

export function plannedSeconds(plan: Plan): number {
  const { workloads, repetitions, limitSeconds } = plan
  const points = workloads.flatMap(pointsOf)
  const warm = points.filter(({ workload }) => !workload.isCold)
  const machineSeconds = machineProbes * (limitSeconds + aroundProbeSeconds)
  const once = machineSeconds + consensusSeconds(plan) + sum([1, 3], nodes => clustersSeconds(plan, pointsWith(nodes)))
  const round =
    sum([1, 3], nodes => limitsSeconds(plan, pointsWith(nodes))) + plan.systems.length * sum(points, runSeconds)
  return once + repetitions * round

  function pointsWith(nodes: number): Point[] {
    return warm.filter(({ workload }) => workload.nodes === nodes)
  }

  function runSeconds(point: Point): number {
    return aroundRunSeconds + loadSeconds(plan, point) + (point.workload.isCold ? coldSeconds(plan, point) : 0)
  }
}

/** Of clusters of one size, before the first round: start, backlogs, warm-up. */
function clustersSeconds(plan: Plan, points: readonly Point[]): number {
  if (points.length === 0) return 0
  const backlogSeconds = sum(points, point => fillSeconds(plan, point))
  return sum(plan.systems, ({ name }) => {
    return startSeconds + plan.settleSeconds + backlogSeconds + plan.systemWarmupSeconds(name) + 2 * plan.timing.seconds
  })
}

function coldSeconds(plan: Plan, point: Point): number {
  const restartSeconds = point.workload.kind === 'consume' ? startSeconds : 0
  return startSeconds + plan.settleSeconds + fillSeconds(plan, point) + restartSeconds
}

function fillSeconds({ timing }: Plan, point: Point): number {
  return (backlogRecordsOf(point, timing.scale) * point.workload.messageSize) / writtenBytesPerSecond
}

function loadSeconds({ timing }: Plan, point: Point): number {
  const records = measuredRecordsOf(point, timing.scale)
  if (records === null) return timing.warmupSeconds + timing.seconds
  const { kind, messageSize } = point.workload
  return (records * messageSize) / (kind === 'consume' ? readBytesPerSecond : writtenBytesPerSecond)
}

function limitsSeconds({ limitSeconds }: Plan, points: readonly Point[]): number {
  const probes = new Set(points.flatMap(probesOf).map(probe => JSON.stringify(probe)))
  return probes.size * (limitSeconds + aroundProbeSeconds)
}

function consensusSeconds({ consensus, repetitions, timing }: Plan): number {
  const loads = distinctLoads(consensus.comparisons).size
  return loads * (aroundProbeSeconds + consensus.warmupSeconds + repetitions * timing.seconds)
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
