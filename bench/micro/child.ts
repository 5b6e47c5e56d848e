/**
 * One room, once, in a process of its own: what V8 knows of the code comes from this room alone, and is learnt anew in every round.
 * Started by run.ts in the checkout that is measured: `child.ts ROOM SECONDS DIRECTORY [PART-OF-A-NAME…]`; prints JSON.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { installFastCrc32c } from '../../src/platform/crc32c.ts'
import { type Measured, measureCase } from './measure.ts'
import { casesOf, rooms } from './rooms.ts'

export interface CaseOnce extends Measured {
  readonly name: string
  readonly operation: string
  readonly clock: 'cpu' | 'wall'
  readonly reference: string
  readonly bytes: number | null
}

if (!installFastCrc32c()) throw new Error('the native CRC-32C is not installed: figures would be those of its fallback')
const [roomName, seconds, directory, ...only] = process.argv.slice(2) as [string, string, string, ...string[]]
const found: CaseOnce[] = []
for (const room of rooms.filter(({ name }) => name === roomName)) {
  for (const { name, operation, clock, prepare } of casesOf(room, only)) {
    const work = mkdtempSync(path.join(directory, 'micro-'))
    try {
      const prepared = await prepare(work)
      const measured = await measureCase(prepared, clock, Number(seconds))
      await prepared.close?.()
      found.push({
        name,
        operation,
        clock,
        reference: prepared.reference.name,
        bytes: prepared.bytes ?? null,
        ...measured,
      })
    } finally {
      rmSync(work, { recursive: true, force: true })
    }
  }
}
process.stdout.write(JSON.stringify(found), () => process.exit())
