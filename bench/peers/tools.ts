/** What the peers have in common: programs that may be missing, processes that end. */
import { type ChildProcess, execFile } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import type { SeriesPoint } from '../../src/cli/bench/series.ts'
import { cpuSecondsOf } from '../harness/processes.ts'

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
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
      await ended
      clearTimeout(timer)
    }),
  )
}

export function sumOfCpuSeconds(pids: readonly number[]): number | null {
  return pids.map(cpuSecondsOf).reduce((sum, seconds) => (sum === null || seconds === null ? null : sum + seconds), 0)
}

/** Of a tool that tells its rate as a whole. */
export function steadySeries(seconds: number, recordsPerSecond: number, recordBytes: number): SeriesPoint[] {
  const megabytesPerSecond = (recordsPerSecond * recordBytes) / 1e6
  return [{ seconds, recordsPerSecond, megabytesPerSecond, meanMs: null, p50Ms: null, p99Ms: null, maxMs: null }]
}
