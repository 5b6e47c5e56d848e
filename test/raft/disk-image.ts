/** What is on a server's disk, as only finished writes change it. */
import type { Write } from '../../src/raft/outbox.ts'
import type { Entry, HardState, Snapshot } from '../../src/raft/types.ts'

export interface DiskImage {
  hardState: HardState
  snapshot: Snapshot | null
  /** Dense, the first one anywhere up to just after the snapshot. */
  entries: Entry[]
}

export function applyWrite(image: DiskImage, write: Write): void {
  if (write.kind === 'snapshot') {
    image.hardState = write.hardState
    image.snapshot = write.snapshot
    image.entries = []
    return
  }
  const { hardState, truncateFrom, entries } = write.batch
  if (truncateFrom !== null) image.entries = image.entries.filter(entry => entry.index < truncateFrom)
  for (const entry of entries) {
    const next = (image.entries.at(-1)?.index ?? image.snapshot?.meta.index ?? 0) + 1
    if (entry.index !== next) throw new Error(`disk: entry ${entry.index} written where ${next} was next`)
    image.entries.push(entry)
  }
  if (hardState !== null) image.hardState = hardState
}
