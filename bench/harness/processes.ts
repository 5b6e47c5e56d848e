/** Other processes: their ends, and their CPU time and memory as Linux tells them; elsewhere these are unknown. */
import { type ChildProcess, execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'

/** `USER_HZ`: what `/proc` counts CPU time in, on every architecture that Node runs on. */
const ticksPerSecond = 100

/** User and system, all threads, since the process began. */
export function cpuSecondsOf(pid: number): number | null {
  const stat = readProc(pid, 'stat')
  if (stat === null) return null
  // The name, in parentheses, may hold spaces; what follows it begins with the third field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Resolves when it is over, at once if it is already. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

/** Of what processes tell: unknown if one of them does not. */
export function sumOfKnown(values: readonly (number | null)[]): number | null {
  return values.reduce((sum, value) => (sum === null || value === null ? null : sum + value), 0)
}

/** The most that was resident since the process began, or since `forgetPeak`. */
export function peakBytesOf(pid: number): number | null {
  return statusBytes(pid, 'VmHWM')
}

export function residentBytesOf(pid: number): number | null {
  return statusBytes(pid, 'VmRSS')
}

export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // Then the peak is that of the whole life, which is still a peak.
  }
}

/** What earlier loads left in the page cache would be written during the next one, whose writes would wait for that. */
export async function writeBack(): Promise<void> {
  await promisify(execFile)('sync')
}

/**
 * What is below a directory has to come from the disk the next time. `false` where that cannot be asked for: it takes GNU dd,
 * which tells the kernel (`POSIX_FADV_DONTNEED`), and pages that are written and that no process has mapped.
 */
export async function dropFromPageCache(directory: string): Promise<boolean> {
  await writeBack()
  const drop = ['-exec', 'dd', 'if={}', 'iflag=nocache', 'count=0', 'status=none', ';']
  try {
    const { stderr } = await promisify(execFile)('find', [directory, '-type', 'f', ...drop])
    return stderr === ''
  } catch {
    return false
  }
}

function statusBytes(pid: number, name: string): number | null {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readProc(pid, 'status') ?? '')
  return found === null ? null : Number(found[1]) * 1024
}

function readProc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return null
  }
}
