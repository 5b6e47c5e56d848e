/**
 * The one MessagePack codec of the project, for frames and for what is stored: plain values in, plain values out, no
 * maps, no extensions, no shared structures. Whoever decodes applies a schema to the result.
 */
// The entry that is plain JavaScript everywhere: the package's main one loads a native addon in Node.
import { Packr } from 'msgpackr/pack'
import { type FrameLimits, prescan } from './prescan.ts'
import { unpackScanned } from './unpacker.ts'

/** Sharing of record shapes is off: it is a private extension with state. */
const options = { useRecords: false, moreTypes: false, encodeUndefinedAsNil: true }

/**
 * msgpackr writes into a buffer it keeps, so that small frames cost no allocation of their own. Behind a large frame
 * the packer is let go with its buffer: what small frames follow must not keep it alive. (`useBuffer` would need a
 * buffer of the platform's own kind.)
 */
let packr = new Packr(options)
const keptBufferBytesMax = 1024 * 1024

/**
 * The bytes are the caller's. Integers beyond 32 bits are written as float64 unless they are BigInts, as the schema's
 * `int64` makes them; both read back as the same number.
 */
export function pack(value: unknown): Uint8Array {
  const bytes = packr.pack(value)
  if (bytes.buffer.byteLength > keptBufferBytesMax) packr = new Packr(options)
  return bytes
}

/** Throws `ProtocolError` for bytes that are not one value within the limits. `bin` values are views of `bytes`. */
export function unpack(bytes: Uint8Array, limits: FrameLimits): unknown {
  prescan(bytes, limits)
  return unpackScanned(bytes)
}
