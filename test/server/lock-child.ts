/** Opens a data directory in a process of its own, says how that went, and holds it until it is killed or its stdin ends. */
import { writeSync } from 'node:fs'
import { openDataDirectory } from '../../src/server/data-directory.ts'

const [path] = process.argv.slice(2)
// All children of a test wait here, and start at the same instant.
writeSync(1, 'ready\n')
await new Promise(resolve => process.stdin.once('data', resolve))
try {
  await openDataDirectory({ path: path!, nodeId: 1 })
  writeSync(1, 'held\n')
  process.stdin.resume()
} catch (error) {
  writeSync(1, `${(error as Error).name}: ${(error as Error).message}\n`)
  process.exit(0)
}
