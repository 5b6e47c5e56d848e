/**
 * Points that are to be cold: for every run nodes and a client of its own, without warm-up, while no other cluster runs.
 * What the nodes cost before they do anything is measured on the way: the time to the first record, and idle memory.
 *
 * A backlog is written by nodes that are then ended; others, with a new client, read it from the disk.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Collection } from './collection.ts'
import { measureOn, settledBytes } from './measure-on.ts'
import { dropFromPageCache } from './processes.ts'
import type { RunResult } from './results.ts'
import type { System, Timing } from './system.ts'
import { nameOf, type Point } from './workload.ts'

export interface ColdOptions {
  readonly repetitions: number
  readonly timing: Timing
  readonly settleSeconds: number
  readonly directory: string
  readonly signal: AbortSignal
  readonly tell: (line: string) => void
}

export async function runCold(
  options: ColdOptions,
  points: readonly Point[],
  systems: readonly System[],
  collected: Collection,
): Promise<void> {
  const { repetitions, signal, tell } = options
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const point of points) {
      for (const [at] of systems.entries()) {
        if (signal.aborted) return
        const system = systems[(at + repetition) % systems.length]!
        tell(`started anew, ${repetition + 1}/${repetitions}: ${nameOf(point)} on ${system.name}`)
        await collected.of(point).run(system.name, tell, () => runOnce(options, point, system))
      }
    }
  }
}

async function runOnce(options: ColdOptions, point: Point, system: System): Promise<RunResult | null> {
  const directory = mkdtempSync(path.join(options.directory, 'cold-'))
  const timing = { ...options.timing, warmupSeconds: 0 }
  const { nodes, kind } = point.workload
  try {
    await using cluster = await system.start({ nodes, durabilities: new Set([point.durability]), directory })
    const { firstRecordSeconds } = cluster
    const idleBytes = await settledBytes(cluster, options.settleSeconds)
    const start = { firstRecordSeconds, idleBytes, isPageCacheDropped: null }
    if (kind !== 'consume') return await measureOn(cluster, system, point, timing, start)
    if (!(await cluster.fill(point, timing))) return null
    await cluster.restart()
    const isPageCacheDropped = await dropFromPageCache(directory)
    return await measureOn(cluster, system, point, timing, { ...start, isPageCacheDropped })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
