/** How many files and sockets the kernel lets this process have open at once. */
import { readFileSync } from 'node:fs'

/** Node has raised the soft limit to the hard one when it started. `null` where the kernel does not say it in a file. */
export function openFilesLimit(): number | null {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    return found === null ? null : Number(found[1])
  } catch {
    return null
  }
}
