/** Finding what a reader wants: the offset index of a full segment, and the tail cache. */
import { join } from 'node:path'
import { FilePool } from '../../src/log/file-pool.ts'
import { SparseIndex } from '../../src/log/sparse-index.ts'
import { LogTail, TailCache } from '../../src/log/tail-cache.ts'
import { nodeDisk } from '../../src/platform/node-disk.ts'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { patchBatch } from '../../src/protocol/batch/header.ts'
import { seededRandom } from '../../src/util/random.ts'
import { MiB } from '../../src/util/units.ts'
import { keep, type Prepared, type Room } from './case.ts'
import { arithmetic, copyOf } from './references.ts'

export const room: Room = {
  name: 'log look-up',
  cases: [
    {
      name: 'index lookup, 262,144 entries in the file',
      operation: 'a look-up',
      clock: 'cpu',
      prepare: directory => prepareIndex(directory, 262_144, true),
    },
    {
      name: 'index lookup, 255 entries in memory',
      operation: 'a look-up',
      clock: 'cpu',
      prepare: directory => prepareIndex(directory, 255, false),
    },
    {
      name: 'tail-cache hit, 60 KB without a copy',
      operation: 'a read',
      clock: 'cpu',
      prepare: () => prepareTail(false),
    },
    { name: 'tail-cache hit, 60 KB copied out', operation: 'a read', clock: 'cpu', prepare: () => prepareTail(true) },
  ],
}

/** An entry every 4 KiB: a segment of 1 GiB has 262,144. */
function prepareIndex(directory: string, entries: number, isSpilled: boolean): Prepared {
  const files = new FilePool(nodeDisk(), 1)
  const path = join(directory, 'index')
  const index = new SparseIndex(files, path, 'offset', 0)
  const offsetsPerEntry = 37
  for (let at = 0; at < entries; at++) index.append(at * offsetsPerEntry, at * 4_096)
  if (isSpilled) index.spill()
  const random = seededRandom(1)
  const wanted = Array.from({ length: 64 }, () => random.nextInt(entries * offsetsPerEntry))
  const run = (): number => {
    for (const offset of wanted) keep(index.floor(offset))
    return wanted.length
  }
  return { run, reference: arithmetic, close: () => files.forget(path) }
}

function prepareTail(isCopied: boolean): Prepared {
  const cache = new TailCache(16 * MiB)
  const tail = new LogTail()
  const builder = new BatchBuilder({ bytesMax: 60_000, compression: 'none', codec: null })
  while (builder.tryAppend(null, new Uint8Array(100), null, 1_760_000_000_000));
  const batch = builder.finish() as Uint8Array
  const records = builder.recordCount
  const appends = 200
  for (let at = 0; at < appends; at++) {
    patchBatch(batch, 0, at * records, 1)
    cache.add(tail, at * records, (at + 1) * records, batch)
  }
  const end = appends * records
  let next = 0
  const run = (): number => {
    const offset = next * records
    next = (next + 1) % appends
    const found = isCopied
      ? cache.read(tail, offset, end, batch.length, true)
      : cache.views(tail, offset, end, batch.length, true)
    if (found?.[0]?.length !== batch.length) throw new Error('not in the cache')
    keep(found)
    return 1
  }
  return isCopied ? { run, reference: copyOf(batch), bytes: batch.length } : { run, reference: arithmetic }
}
