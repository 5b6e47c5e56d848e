/** Where results are written: bench/results, unless somebody says otherwise. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** By the second. `at` is an ISO date; the name has no extension. */
export function resultPrefix(kind: string, at: string): string {
  const stamp = at.slice(0, 19).replaceAll(':', '')
  return path.join(import.meta.dirname, '..', 'results', `${kind}-${stamp}`)
}

export function writeResult(file: string, result: unknown): void {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`)
}
