/**
 * The end of a process that must not go on: a broken invariant, or a disk of which nothing is known any more. At once
 * and without cleaning up: whatever would still be answered or written could be wrong, and the next start reads its
 * files anew.
 */
import { writeSync } from 'node:fs'

export function endProcess(error: Error): never {
  try {
    writeSync(2, `millrace: ending at once: ${error.stack ?? error.message}\n`)
  } finally {
    // `process.exit` runs exit handlers, and LMDB's can wait for a write that will never end.
    const { reallyExit } = process as unknown as { reallyExit?: (code: number) => never }
    if (reallyExit === undefined) process.kill(process.pid, 'SIGKILL')
    else reallyExit.call(process, 1)
  }
  throw error
}
