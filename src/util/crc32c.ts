/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of record batches and of what Millrace keeps in LMDB.
 *
 * In JavaScript eight bytes are folded at a time through eight tables. A platform that has the instruction may install
 * it: it is checked against known answers first and then used for ranges long enough to pay for the call.
 */
import { AssertionError } from './errors.ts'

type NativeCrc32c = (bytes: Uint8Array) => number

/** The Castagnoli polynomial, bits reversed. */
const polynomial = 0x82f63b78
/** `tables[k * 256 + b]`: what byte `b` does to the sum when `k` more bytes follow it. */
const tables = buildTables()
/** Below this the call into native code costs more than it saves. */
const nativeBytesMin = 256

let nativeCrc32c: NativeCrc32c | null = null

/** The CRC-32C of `bytes[from, to)`, unsigned. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  if (nativeCrc32c !== null && to - from >= nativeBytesMin) return nativeCrc32c(bytes.subarray(from, to)) >>> 0
  return tableCrc32c(bytes, from, to)
}

/** Uses `native` from now on. Throws `AssertionError` when it is not a CRC-32C. */
export function installNativeCrc32c(native: NativeCrc32c): void {
  for (const [bytes, expected] of knownAnswers()) {
    if (native(bytes) >>> 0 !== expected) throw new AssertionError('native CRC-32C gives the known answers')
  }
  nativeCrc32c = native
}

/** The sum by tables alone, whatever is installed. */
export function tableCrc32c(bytes: Uint8Array, from: number, to: number): number {
  const t = tables
  let crc = -1
  let at = from
  for (const wholeEnd = to - ((to - from) & 7); at < wholeEnd; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    crc =
      t[1792 + (crc & 0xff)]! ^
      t[1536 + ((crc >>> 8) & 0xff)]! ^
      t[1280 + ((crc >>> 16) & 0xff)]! ^
      t[1024 + (crc >>> 24)]! ^
      t[768 + bytes[at + 4]!]! ^
      t[512 + bytes[at + 5]!]! ^
      t[256 + bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 0xff]!
  return ~crc >>> 0
}

function buildTables(): Int32Array {
  const out = new Int32Array(8 * 256)
  for (let b = 0; b < 256; b++) {
    let crc = b
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    out[b] = crc
  }
  for (let i = 256; i < out.length; i++) {
    const before = out[i - 256]!
    out[i] = (before >>> 8) ^ out[before & 0xff]!
  }
  return out
}

/** RFC 3720 B.4, and the usual check value of "123456789"; one of them long enough to take a native fast path. */
function knownAnswers(): Array<[bytes: Uint8Array, crc: number]> {
  return [
    [new Uint8Array(0), 0],
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    [new TextEncoder().encode('123456789'), 0xe3069283],
    [new Uint8Array(1024), tableCrc32c(new Uint8Array(1024), 0, 1024)],
  ]
}
