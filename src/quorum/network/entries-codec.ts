/**
 * The entries of an append as `[first index, bytes]`, empty for none. Entries are dense, so one index tells all; and one
 * piece of bytes, put together here, costs a fraction of a MessagePack value for each part of each entry:
 *
 *     for each entry:  term:8  kind:1  length:4  data        big endian
 */
import { limits } from '../../protocol/common.ts'
import { described, ProtocolError } from '../../protocol/protocol-error.ts'
import { bytes, type Type, uint53 } from '../../protocol/schema.ts'
import type { Entry } from '../../raft/types.ts'
import { assert } from '../../util/assert.ts'
import { type Term, toLogIndex } from '../../util/numbers.ts'

const kinds = ['data', 'noop', 'configuration'] as const
const headBytes = 8 + 1 + 4
const content = bytes({ lengthMax: limits.recordsBytes })

/** The data of decoded entries are views of the bytes they came in. */
export const entriesType: Type<readonly Entry[]> = {
  name: 'entries',
  shape: { kind: 'bytes', lengthMax: limits.recordsBytes },
  encode(entries, version, path = '') {
    const [first] = entries
    if (first === undefined) return []
    let sizeBytes = entries.length * headBytes
    for (let i = 0; i < entries.length; i++) sizeBytes += entries[i]!.data.length
    const all = new Uint8Array(sizeBytes)
    const view = new DataView(all.buffer)
    let at = 0
    for (let i = 0; i < entries.length; i++) {
      const { index, term, kind, data } = entries[i]!
      assert(index === first.index + i, 'the entries of a message are dense')
      writeUint53(view, at, term)
      all[at + 8] = kinds.indexOf(kind)
      view.setUint32(at + 9, data.length)
      all.set(data, at + headBytes)
      at += headBytes + data.length
    }
    return [uint53.encode(first.index, version, path), content.encode(all, version, path)]
  },
  decode(wire, version, path) {
    if (!Array.isArray(wire) || (wire.length !== 0 && wire.length !== 2))
      throw new ProtocolError(path, 'an index and bytes, or nothing', wire)
    if (wire.length === 0) return []
    const firstIndex = uint53.decode(wire[0], version, path)
    const all = content.decode(wire[1], version, path)
    const view = new DataView(all.buffer, all.byteOffset, all.length)
    const entries: Entry[] = []
    for (let at = 0; at < all.length || at === 0; ) {
      if (at + headBytes > all.length) throw new ProtocolError(path, 'whole entries', described('a part of one'))
      const kind = kinds[all[at + 8]!]
      if (kind === undefined) throw new ProtocolError(path, 'the number of a kind of entry', all[at + 8])
      const term = readUint53(view, at, path)
      const end = at + headBytes + view.getUint32(at + 9)
      if (end > all.length) throw new ProtocolError(path, 'whole entries', described('a part of one'))
      const index = firstIndex + entries.length
      if (!Number.isSafeInteger(index)) throw new ProtocolError(path, 'an index below 2^53', index)
      entries.push({ index: toLogIndex(index), term, kind, data: all.subarray(at + headBytes, end) })
      at = end
    }
    return entries
  },
}

function writeUint53(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 0x1_0000_0000))
  view.setUint32(at + 4, value >>> 0)
}

function readUint53(view: DataView, at: number, path: string): Term {
  const value = view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4)
  if (!Number.isSafeInteger(value)) throw new ProtocolError(path, 'a term below 2^53', value)
  return value as Term
}
