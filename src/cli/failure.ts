/**
 * What becomes of an error at the command line: one line on stderr that begins with the error's stable name and says
 * what to do, and an exit code scripts can rely on.
 */
import { ApiError } from '../protocol/errors.ts'
import { AbortError, ConfigError, CorruptionError, StorageError } from '../util/errors.ts'

export const exitCode = { done: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const

/** The command line was wrong in a way commander cannot see. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The command itself has printed what went wrong; only the exit code is left to set. */
export class ReportedFailure extends Error {
  override readonly name = 'ReportedFailure'
}

/** Nobody answered: whatever else the command has to ask would get no answer either. */
export function isSilence(error: unknown): boolean {
  return error instanceof ApiError && (error.code === 'NETWORK_EXCEPTION' || error.code === 'REQUEST_TIMED_OUT')
}

export interface Verdict {
  readonly code: number
  /** For stderr; `null` when it has been said already. */
  readonly message: string | null
}

export function verdictOf(error: unknown, wasInterrupted: boolean): Verdict {
  if (wasInterrupted) return { code: exitCode.interrupted, message: null }
  if (error instanceof ReportedFailure) return { code: exitCode.failed, message: null }
  if (error instanceof UsageError) return { code: exitCode.usage, message: `error: ${error.message}` }
  if (error instanceof ConfigError) return { code: exitCode.usage, message: `error: ${error.message}` }
  if (error instanceof ApiError) {
    const code = isSilence(error) ? exitCode.unreachable : exitCode.failed
    return { code, message: `${error.code}: ${error.message}` }
  }
  if (error instanceof CorruptionError || error instanceof StorageError || error instanceof AbortError) {
    return { code: exitCode.failed, message: `${error.name}: ${error.message}` }
  }
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return { code: exitCode.failed, message: `${error.code}: ${error.message}` }
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { code: exitCode.failed, message: `unexpected: ${detail}` }
}
