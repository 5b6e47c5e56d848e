/** One run of a point on a cluster, with what its processes tell of themselves. */
import { setTimeout as delay } from 'node:timers/promises'
import { forgetPeak, peakBytesOf, residentBytesOf, sumOfKnown, writeBack } from './processes.ts'
import { type RunResult, type StartFacts, toRunResult } from './results.ts'
import type { Cluster, System, Timing } from './system.ts'
import type { Point } from './workload.ts'

/** `null`: the system does not do that. */
export async function measureOn(
  cluster: Cluster,
  { name: driver }: System,
  point: Point,
  timing: Timing,
  start: StartFacts | null = null,
): Promise<RunResult | null> {
  await writeBack()
  for (const pid of cluster.pids) forgetPeak(pid)
  const beginTime = new Date().toISOString()
  const sample = await cluster.measure(point, timing)
  const endTime = new Date().toISOString()
  const nodesPeakBytes = cluster.pids.map(peakBytesOf)
  return sample === null ? null : toRunResult(sample, { driver, point, beginTime, endTime, nodesPeakBytes, start })
}

/** Resident memory of all nodes together, after a time in which nothing is asked of them. */
export async function settledBytes({ pids }: Pick<Cluster, 'pids'>, seconds: number): Promise<number | null> {
  await delay(seconds * 1_000)
  return sumOfKnown(pids.map(residentBytesOf))
}
