/** What has to be known of the machine and of the code to read a figure. */
import { execFileSync } from 'node:child_process'
import os from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly kernel: string
  /** Type of the file system that the data is on. */
  readonly fileSystem: string
  readonly node: string
  /** Over one minute, when the run began: what else was going on. */
  readonly loadAverage: number
}

export interface Commit {
  readonly commit: string
  /** Files differ from the commit. */
  readonly isDirty: boolean
}

export function describeMachine(directory: string): Machine {
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.cpus().length,
    memoryBytes: os.totalmem(),
    kernel: `${os.type()} ${os.release()}`,
    fileSystem: outputOf('stat', ['-f', '-c', '%T', directory]),
    node: process.version,
    loadAverage: os.loadavg()[0]!,
  }
}

export function describeCommit(): Commit {
  return {
    commit: outputOf('git', ['rev-parse', '--short', 'HEAD']),
    isDirty: outputOf('git', ['status', '--porcelain', '--untracked-files=no']) !== '',
  }
}

function outputOf(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}
