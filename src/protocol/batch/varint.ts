/**
 * The zigzag varints of Kafka's record format: `int32` in at most 5 bytes, `int64` in at most 10. Numbers are doubles
 * here, never BigInt: what is not a safe integer is refused. Encodings longer than needed are read, as Kafka does;
 * bits beyond the type's width are not.
 */
import { described, ProtocolError } from '../protocol-error.ts'

/** Length, attributes, timestamp delta, offset delta, key, value and headers, one byte each. */
export const recordBytesMin = 7

/** Bytes of an int32 as a varint. */
export function varintSize(value: number): number {
  const z = ((value << 1) ^ (value >> 31)) >>> 0
  if (z < 0x80) return 1
  if (z < 0x4000) return 2
  if (z < 0x20_0000) return 3
  return z < 0x1000_0000 ? 4 : 5
}

/** Writes an int32; returns the position behind it. There must be room for 5 bytes. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let z = ((value << 1) ^ (value >> 31)) >>> 0
  while (z >= 0x80) {
    bytes[at++] = z | 0x80
    z >>>= 7
  }
  bytes[at++] = z
  return at
}

/** Bytes of a safe integer as a varlong. */
export function varlongSize(value: number): number {
  if (value === value >> 0) return varintSize(value)
  // One bit goes to the sign, so the first byte holds 6 bits of the magnitude; 5 bytes hold 34.
  let rest = Math.floor(magnitude(value) / 0x4_0000_0000)
  let size = 5
  for (; rest > 0; size++) rest = Math.floor(rest / 0x80)
  return size
}

/** Writes a safe integer; returns the position behind it. There must be room for 10 bytes. */
export function writeVarlong(bytes: Uint8Array, at: number, value: number): number {
  if (value === value >> 0) return writeVarint(bytes, at, value)
  const n = magnitude(value)
  // Doubling would lose the lowest bit above 2^53, so the first byte takes its sign bit and six bits apart.
  bytes[at++] = ((n % 0x40) << 1) | (value < 0 ? 1 : 0) | 0x80
  let rest = Math.floor(n / 0x40)
  while (rest >= 0x80) {
    bytes[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  bytes[at++] = rest
  return at
}

/** Zigzag without its sign bit: 0, -1 → 0; 1, -2 → 1; … */
function magnitude(value: number): number {
  return value < 0 ? -value - 1 : value
}

/** Walks the records part of a batch. Every read stays below `end` and throws `ProtocolError` otherwise. */
export class VarintReader {
  readonly bytes: Uint8Array
  at: number
  /** Exclusive. Narrowed to the record being read. */
  end: number

  constructor(bytes: Uint8Array, from: number, to: number) {
    this.bytes = bytes
    this.at = from
    this.end = to
  }

  /** An int32. */
  readVarint(): number {
    const { at, bytes } = this
    if (at + 1 < this.end) {
      const first = bytes[at]!
      if (first < 0x80) {
        this.at = at + 1
        return (first >>> 1) ^ -(first & 1)
      }
      // Two bytes are the rule for the length of a record and, from the 64th record on, for its offset.
      const second = bytes[at + 1]!
      if (second < 0x80) {
        this.at = at + 2
        return ((first & 0x7f) >>> 1) ^ (second << 6) ^ -(first & 1)
      }
    }
    return this.#readLongVarint()
  }

  #readLongVarint(): number {
    let z = 0
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = this.#readByte()
      // The fifth byte has room for the top 4 bits of 32.
      if (shift === 28 && byte > 0x0f) throw new ProtocolError('record', 'a varint of at most 32 bits', byte)
      z |= (byte & 0x7f) << shift
      if (byte < 0x80) return (z >>> 1) ^ -(z & 1)
    }
    throw new ProtocolError('record', 'a varint of at most 5 bytes', 6)
  }

  /** An int64 that is a safe integer. */
  readVarlong(): number {
    const at = this.at
    if (at < this.end) {
      const byte = this.bytes[at]!
      if (byte < 0x80) {
        this.at = at + 1
        return (byte >>> 1) ^ -(byte & 1)
      }
    }
    return this.#readLongVarlong()
  }

  #readLongVarlong(): number {
    let byte = this.#readByte()
    const isNegative = (byte & 1) === 1
    let n = (byte & 0x7e) >>> 1
    let scale = 0x40
    for (let count = 1; byte >= 0x80; count++) {
      if (count === 10) throw new ProtocolError('record', 'a varlong of at most 10 bytes', 11)
      byte = this.#readByte()
      n += (byte & 0x7f) * scale
      scale *= 0x80
    }
    const value = isNegative ? -n - 1 : n
    if (!Number.isSafeInteger(value)) throw new ProtocolError('record', 'a varlong within ±(2^53 - 1)', value)
    return value
  }

  /** Skips a length and as many bytes; returns the length, -1 for null. The bytes end at `at`. */
  skipBlob(): number {
    const length = this.readVarint()
    if (length > this.end - this.at || length < -1)
      throw new ProtocolError('record', 'a length within the record', length)
    if (length > 0) this.at += length
    return length
  }

  /** Steps into a record of `length` bytes: nothing behind it can be read, and its attributes (none are defined) are skipped. */
  openRecord(length: number): void {
    if (length < recordBytesMin - 1 || length > this.end - this.at) {
      throw new ProtocolError('record', 'a length within the batch', length)
    }
    this.end = this.at + length
    this.at++
  }

  #readByte(): number {
    if (this.at >= this.end) throw new ProtocolError('record', 'another byte of a varint', described('the end'))
    return this.bytes[this.at++]!
  }
}
