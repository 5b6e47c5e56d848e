/** What the peers have in common: programs that may be missing, processes that end. */
import { type ChildProcess, execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { SeriesPoint } from '../../src/cli/bench/series.ts'
import { cpuSecondsOf, ended, sumOfKnown } from '../harness/processes.ts'

/** The first line a program says about itself, or `null` if there is no such program. */
export async function versionOf(program: string, args: readonly string[]): Promise<string | null> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args)
    return (stdout || stderr).split('\n')[0]!
  } catch {
    return null
  }
}

/** SIGTERM, and SIGKILL for whoever does not hear it. */
export async function stop(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async child => {
      // It was never there.
      if (child.pid === undefined) return
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
      await ended(child)
      clearTimeout(timer)
    }),
  )
}

/** The cluster, once it has started; what of it did is stopped if not all does. */
export async function started<C extends AsyncDisposable & { start(): Promise<void> }>(cluster: C): Promise<C> {
  try {
    await cluster.start()
    return cluster
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}

export function sumOfCpuSeconds(pids: readonly number[]): number | null {
  return sumOfKnown(pids.map(cpuSecondsOf))
}

/** Of a tool that tells its rate as a whole. */
export function steadySeries(seconds: number, recordsPerSecond: number, recordBytes: number): SeriesPoint[] {
  const megabytesPerSecond = (recordsPerSecond * recordBytes) / 1e6
  return [{ seconds, recordsPerSecond, megabytesPerSecond, meanMs: null, p50Ms: null, p99Ms: null, maxMs: null }]
}
