/**
 * The one MessagePack codec of the project, for frames and for what is stored: plain values in, plain values out, no
 * maps, no extensions, no shared structures. Whoever decodes applies a schema to the result.
 */
// The entry that is plain JavaScript everywhere: the package's main one loads a native addon in Node.
import { Packr } from 'msgpackr/pack'
import { joinBytes } from '../util/bytes.ts'
import { type FrameLimits, prescan } from './prescan.ts'
import { unpackScanned } from './unpacker.ts'

/** Sharing of record shapes is off: it is a private extension with state. */
const options = { useRecords: false, moreTypes: false, encodeUndefinedAsNil: true }

/** msgpackr writes into a buffer it keeps, so that small frames cost no allocation of their own. */
const packr = new Packr(options)

/**
 * From this size on a `bin` is not handed to msgpackr: its buffer would grow to four times the frame. Such a frame is
 * put together from what msgpackr makes of the small values and the bytes themselves, in memory of exactly its size.
 */
const largeBinBytes = 4 * 1024

/**
 * The bytes are the caller's. Integers beyond 32 bits are written as float64 unless they are BigInts, as the schema's
 * `int64` makes them; both read back as the same number.
 */
export function pack(value: unknown): Uint8Array {
  return joinBytes(partsOf(value))
}

/** What `pack` gives, in parts to be sent one behind the other: each large `bin` is one of them, the very bytes of the value. */
export function packInParts(value: unknown): Uint8Array[] {
  const parts = partsOf(value)
  if (parts.length === 1) return parts
  // What stands between large values becomes one part: each costs its reader a call.
  const joined: Uint8Array[] = []
  for (let from = 0; from < parts.length; ) {
    let to = from + 1
    if (!isLarge(parts[from]!)) while (to < parts.length && !isLarge(parts[to]!)) to++
    joined.push(joinBytes(parts.slice(from, to)))
    from = to
  }
  return joined
}

function partsOf(value: unknown): Uint8Array[] {
  const parts: Uint8Array[] = []
  addParts(value, parts)
  return parts
}

function isLarge(part: Uint8Array): boolean {
  return part.length >= largeBinBytes
}

function holdsLargeBin(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(holdsLargeBin)
  return value instanceof Uint8Array && isLarge(value)
}

function addParts(value: unknown, parts: Uint8Array[]): void {
  if (!holdsLargeBin(value)) parts.push(packr.pack(value))
  else if (Array.isArray(value)) {
    parts.push(header(0xdc, value.length))
    for (const item of value) addParts(item, parts)
  } else {
    const bin = value as Uint8Array
    parts.push(header(0xc5, bin.length), bin)
  }
}

/** The head of an array (`code` 0xdc) or a `bin` (0xc5) with a length of 16 bits, or of 32 with the code after it. */
function header(code: 0xdc | 0xc5, length: number): Uint8Array {
  if (length <= 0xffff) return Uint8Array.of(code, length >>> 8, length)
  return Uint8Array.of(code + 1, length >>> 24, length >>> 16, length >>> 8, length)
}

/** Throws `ProtocolError` for bytes that are not one value within the limits. `bin` values are views of `bytes`. */
export function unpack(bytes: Uint8Array, limits: FrameLimits): unknown {
  prescan(bytes, limits)
  return unpackScanned(bytes)
}
