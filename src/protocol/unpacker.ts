/**
 * Turns a frame that `prescan` has passed into plain values. Assumes what the scan proved (whole, well-formed, of
 * bounded depth and count) and therefore checks nothing again.
 *
 * Why not msgpackr's decoder: its `TextDecoder` drops a byte order mark at the beginning of a str, which would alter a
 * record's value, and it reads private extensions that no option turns off.
 */
import { readInt64 } from './batch/header.ts'

/** Up to here building a string from its bytes beats the call of a `TextDecoder`. */
const shortTextBytes = 10
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The value in `bytes`. `bin` becomes a view; an integer beyond ±(2^53 - 1) a double that is not a safe integer either. */
export function unpackScanned(bytes: Uint8Array): unknown {
  return new Unpacker(bytes).readValue()
}

class Unpacker {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  readValue(): unknown {
    const token = this.#bytes[this.#at++]!
    if (token < 0x80) return token
    if (token >= 0xe0) return token - 0x100
    if (token < 0xa0) return this.#readArray(token & 0x0f)
    if (token < 0xc0) return this.#readText(token & 0x1f)
    switch (token) {
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#readBytes(this.#readUint(1 << (token - 0xc4)))
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#readText(this.#readUint(1 << (token - 0xd9)))
      case 0xdc:
        return this.#readArray(this.#readUint(2))
      case 0xdd:
        return this.#readArray(this.#readUint(4))
      case 0xc0:
        return null
      default:
        return this.#readNumber(token)
    }
  }

  #readNumber(token: number): number {
    const view = this.#view
    const at = this.#at
    const width = token === 0xcb ? 8 : 1 << (token & 3)
    this.#at += width
    switch (token) {
      case 0xcb:
        return view.getFloat64(at)
      case 0xcc:
        return view.getUint8(at)
      case 0xcd:
        return view.getUint16(at)
      case 0xce:
        return view.getUint32(at)
      case 0xcf:
        return view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4)
      case 0xd0:
        return view.getInt8(at)
      case 0xd1:
        return view.getInt16(at)
      case 0xd2:
        return view.getInt32(at)
      default:
        return readInt64(view, at)
    }
  }

  #readUint(width: number): number {
    const at = this.#at
    this.#at += width
    if (width === 1) return this.#bytes[at]!
    return width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at)
  }

  #readArray(length: number): unknown[] {
    const array = new Array<unknown>(length)
    for (let i = 0; i < length; i++) array[i] = this.readValue()
    return array
  }

  #readBytes(length: number): Uint8Array {
    const at = this.#at
    this.#at += length
    return this.#bytes.subarray(at, this.#at)
  }

  #readText(length: number): string {
    const from = this.#at
    const to = (this.#at += length)
    if (length > shortTextBytes) return decoder.decode(this.#bytes.subarray(from, to))
    let text = ''
    for (let at = from; at < to; at++) {
      const byte = this.#bytes[at]!
      if (byte >= 0x80) return decoder.decode(this.#bytes.subarray(from, to))
      text += String.fromCharCode(byte)
    }
    return text
  }
}
