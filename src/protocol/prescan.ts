/**
 * Walks a frame once before MessagePack decodes it, allocating nothing: afterwards decoding can neither fail nor cost
 * more than the frame is worth. Owns the limits of a frame; limits of single fields are in the schemas.
 *
 * A frame is exactly one value. Allowed in it: nil, booleans, integers, float64, str (well-formed UTF-8), bin, array.
 * Refused: maps (structs travel as arrays), every extension type (msgpackr would define records and references by
 * them), float32, the unused byte 0xc1; arrays nested deeper than `depthMax`; more than `elementsMax` values in
 * all; any length beyond the bytes that are left; bytes after the value.
 */
import { described, ProtocolError } from './protocol-error.ts'
import { isUtf8 } from './utf8.ts'

export interface FrameLimits {
  /** Arrays within arrays, the envelope being the first. */
  readonly depthMax: number
  /** Values in the frame, arrays included. Each costs the reader some 8 to 50 bytes of memory. */
  readonly elementsMax: number
}

/** The deepest body is a Produce request with plain records and headers: 8 with its envelope. */
const depthMax = 12
/** What a node accepts: 10,000 partitions or plain records with their fields fit. */
export const requestFrameLimits: FrameLimits = { depthMax, elementsMax: 250_000 }
/** What a client accepts from a node it chose: metadata of 200,000 partitions with 3 replicas fits. */
export const responseFrameLimits: FrameLimits = { depthMax, elementsMax: 4_000_000 }

/** What follows a token: nothing, text, bytes, values, or an error. */
const kind = { scalar: 0, str: 1, bin: 2, array: 3, map: 4, ext: 5, refused: 6 } as const
const kindOfToken = new Uint8Array(256)
/** Bytes behind the token: of the value for a scalar, of the length for the others (0: the length is in the token). */
const widthOfToken = new Uint8Array(256)
fillTables()

/** Values still to come in each array that is open. One for all calls: a scan never pauses. */
const open = new Uint32Array(64)

/** Throws `ProtocolError` unless `bytes` is one MessagePack value within the limits. */
export function prescan(bytes: Uint8Array, limits: FrameLimits): void {
  const end = bytes.length
  let at = 0
  let depth = 0
  let left = 1
  let elementsLeft = limits.elementsMax - 1
  for (;;) {
    while (left === 0) {
      if (depth === 0) {
        if (at !== end)
          throw new ProtocolError('frame', 'nothing after the first value', described(`${end - at} bytes`))
        return
      }
      left = open[--depth]!
    }
    left--
    if (at >= end) throw truncated('another value')
    const token = bytes[at++]!
    const tokenKind = kindOfToken[token]!
    const width = widthOfToken[token]!
    if (end - at < width) throw truncated('the rest of a value')
    if (tokenKind === kind.scalar) {
      at += width
      continue
    }
    if (tokenKind >= kind.map) throw refused(tokenKind)
    const length = width === 0 ? inlineLength(token) : readLength(bytes, at, width)
    at += width
    if (length > end - at) throw new ProtocolError('frame', `a length of at most the ${end - at} bytes left`, length)
    if (tokenKind === kind.array) {
      if (length > elementsLeft)
        throw new ProtocolError('frame', `at most ${limits.elementsMax} values`, described('more'))
      if (depth >= limits.depthMax || depth >= open.length)
        throw new ProtocolError('frame', `arrays at most ${limits.depthMax} deep`, described('a deeper one'))
      elementsLeft -= length
      open[depth++] = left
      left = length
    } else {
      if (tokenKind === kind.str && !isUtf8(bytes, at, at + length))
        throw new ProtocolError('frame', 'UTF-8 in a str', described('other bytes'))
      at += length
    }
  }
}

function inlineLength(token: number): number {
  return token < 0xa0 ? token & 0x0f : token & 0x1f
}

function readLength(bytes: Uint8Array, at: number, width: number): number {
  let length = 0
  for (let i = 0; i < width; i++) length = length * 256 + bytes[at + i]!
  return length
}

function truncated(what: string): ProtocolError {
  return new ProtocolError('frame', what, described('the end of the frame'))
}

function refused(tokenKind: number): ProtocolError {
  if (tokenKind === kind.map)
    return new ProtocolError('frame', 'an array (structs are arrays here)', described('a map'))
  if (tokenKind === kind.ext) return new ProtocolError('frame', 'no extension types', described('one'))
  return new ProtocolError(
    'frame',
    'nil, a boolean, an integer, float64, str, bin or an array',
    described('another type'),
  )
}

/** The type bytes of the MessagePack specification. */
function fillTables(): void {
  const set = (from: number, to: number, tokenKind: number, width: number): void => {
    kindOfToken.fill(tokenKind, from, to + 1)
    widthOfToken.fill(width, from, to + 1)
  }
  set(0x80, 0x8f, kind.map, 0)
  set(0x90, 0x9f, kind.array, 0)
  set(0xa0, 0xbf, kind.str, 0)
  set(0xc1, 0xc1, kind.refused, 0)
  set(0xc7, 0xc9, kind.ext, 0)
  set(0xca, 0xca, kind.refused, 0)
  set(0xcb, 0xcb, kind.scalar, 8)
  set(0xd4, 0xd8, kind.ext, 0)
  set(0xde, 0xdf, kind.map, 0)
  ;[1, 2, 4, 8].forEach((width, i) => {
    set(0xcc + i, 0xcc + i, kind.scalar, width)
    set(0xd0 + i, 0xd0 + i, kind.scalar, width)
  })
  ;[1, 2, 4].forEach((width, i) => {
    set(0xc4 + i, 0xc4 + i, kind.bin, width)
    set(0xd9 + i, 0xd9 + i, kind.str, width)
  })
  set(0xdc, 0xdc, kind.array, 2)
  set(0xdd, 0xdd, kind.array, 4)
}
