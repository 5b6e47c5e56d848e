/**
 * A strict reader of JSON (RFC 8259) that leaves values where they stand: a record's value is stored as the very bytes
 * that were sent, so no number loses a digit and no field its order, and nothing is built that a hostile body could make
 * large. Texts are well-formed UTF-8 before they come here.
 */
import { ApiError } from '../../protocol/errors.ts'

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null'

/** Deeper nesting is refused: others will have to read what is stored here, and many readers recurse. */
export const jsonDepthMax = 512

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/** Whether the whole of `bytes` is one JSON value, and which; `null` if not. */
export function jsonKindOf(bytes: Uint8Array): JsonKind | null {
  const scan = new JsonScan(bytes, notJson)
  try {
    const kind = scan.skipValue()
    scan.expectEnd()
    return kind
  } catch (error) {
    if (error === notJson) return null
    throw error
  }
}

/** Made once: an error for each value that is mere text was a third of the time of a GET. */
const notJson = new ApiError('INVALID_REQUEST')

/** Every method but `peek` throws `ApiError` `INVALID_REQUEST`, naming the place, where the text is not JSON. */
export class JsonScan {
  readonly bytes: Uint8Array
  /** Of the next byte to look at. */
  at = 0
  /** Closing brackets that are due, innermost last. */
  readonly #open: number[] = []
  readonly #fault: ApiError | null

  /** `fault`: thrown instead of one that names the place. */
  constructor(bytes: Uint8Array, fault: ApiError | null = null) {
    this.bytes = bytes
    this.#fault = fault
  }

  /** The next byte that is not white space; -1 at the end. */
  peek(): number {
    const { bytes } = this
    for (; this.at < bytes.length; this.at++) {
      const byte = bytes[this.at]!
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte
    }
    return -1
  }

  expectEnd(): void {
    if (this.peek() !== -1) this.#fail('nothing behind the value')
  }

  /** Calls `onField` for each field, in front of its value, which it has to read. `names`: those that mostly come. */
  readObject(onField: (name: string) => void, names: readonly string[] = []): void {
    this.#take(openBrace, 'an object')
    if (this.#takeIf(closeBrace)) return
    do {
      const name = this.#readName(names)
      this.#take(colon, '":"')
      onField(name)
    } while (this.#takeIf(comma))
    this.#take(closeBrace, '"," or "}"')
  }

  /** Calls `onItem` for each item, in front of it, which it has to read. */
  readArray(onItem: (index: number) => void): void {
    this.#take(openBracket, 'an array')
    if (this.#takeIf(closeBracket)) return
    let index = 0
    do onItem(index++)
    while (this.#takeIf(comma))
    this.#take(closeBracket, '"," or "]"')
  }

  #readName(names: readonly string[]): string {
    const text = this.readText()
    return names.find(name => isAscii(text, name)) ?? decoder.decode(text)
  }

  readString(): string {
    const bytes = this.readText()
    return decoder.decode(bytes)
  }

  /** The text of a string as UTF-8: a view of what was sent, or, where it has escapes, bytes of its own. */
  readText(): Uint8Array {
    const from = this.peek() === quote ? this.at : this.#fail('a string')
    const isPlain = this.#skipString()
    if (isPlain) return this.bytes.subarray(from + 1, this.at - 1)
    const text = JSON.parse(decoder.decode(this.bytes.subarray(from, this.at))) as string
    // Half a surrogate pair has no UTF-8; what would be stored in its place is not what was sent.
    if (/\p{Surrogate}/u.test(text)) this.#fail('no half of a surrogate pair', from)
    return encoder.encode(text)
  }

  readNumber(): number {
    this.peek()
    const from = this.at
    if (this.skipValue() !== 'number') this.#fail('a number', from)
    return Number(decoder.decode(this.bytes.subarray(from, this.at)))
  }

  /** The value as it was sent, white space around it left out. */
  readRaw(): { readonly kind: JsonKind; readonly bytes: Uint8Array } {
    this.peek()
    const from = this.at
    const kind = this.skipValue()
    return { kind, bytes: this.bytes.subarray(from, this.at) }
  }

  /** Without recursion: the depth of a value is its sender's choice. */
  skipValue(): JsonKind {
    const kind = this.#beginValue()
    while (this.#open.length > 0) {
      const closing = this.#open.at(-1)!
      if (this.#takeIf(comma)) this.#beginMember(closing)
      else {
        this.#take(closing, closing === closeBrace ? '"," or "}"' : '"," or "]"')
        this.#open.pop()
      }
    }
    return kind
  }

  /** A scalar is read whole; of an object or an array the opening bracket and what is in front of the first comma. */
  #beginValue(): JsonKind {
    const byte = this.peek()
    if (byte === quote) {
      this.#skipString()
      return 'string'
    }
    if (byte === openBrace || byte === openBracket) {
      this.#beginNested(byte)
      return byte === openBrace ? 'object' : 'array'
    }
    if (byte === 0x74) return this.#skipWord('true', 'boolean')
    if (byte === 0x66) return this.#skipWord('false', 'boolean')
    if (byte === 0x6e) return this.#skipWord('null', 'null')
    this.#skipNumber()
    return 'number'
  }

  #beginNested(byte: number): void {
    for (let next = byte; ; next = this.peek()) {
      if (next !== openBrace && next !== openBracket) {
        this.#beginValue()
        return
      }
      if (this.#open.length >= jsonDepthMax) this.#fail(`at most ${jsonDepthMax} levels`)
      this.at++
      const closing = next === openBrace ? closeBrace : closeBracket
      if (this.#takeIf(closing)) return
      this.#open.push(closing)
      if (closing === closeBrace) this.#skipName()
    }
  }

  #beginMember(closing: number): void {
    if (closing === closeBrace) this.#skipName()
    this.#beginValue()
  }

  #skipName(): void {
    if (this.peek() !== quote) this.#fail('a name')
    this.#skipString()
    this.#take(colon, '":"')
  }

  /** Whether it has no escapes. */
  #skipString(): boolean {
    const { bytes } = this
    let isPlain = true
    for (let at = this.at + 1; at < bytes.length; at++) {
      const byte = bytes[at]!
      if (byte === quote) {
        this.at = at + 1
        return isPlain
      }
      if (byte < 0x20) this.#fail('no control character in a string', at)
      if (byte !== backslash) continue
      isPlain = false
      at = this.#skipEscape(at + 1)
    }
    return this.#fail('the end of the string', bytes.length)
  }

  /** `at`: behind the backslash. Returns the last byte of the escape. */
  #skipEscape(at: number): number {
    const byte = this.bytes[at] ?? -1
    if (byte !== 0x75) {
      if (!'"\\/bfnrt'.includes(String.fromCharCode(byte))) this.#fail('an escape of JSON', at)
      return at
    }
    for (let digit = at + 1; digit <= at + 4; digit++) {
      if (!isHex(this.bytes[digit] ?? -1)) this.#fail('four hexadecimal digits', digit)
    }
    return at + 4
  }

  #skipNumber(): void {
    const from = this.at
    if (this.bytes[this.at] === 0x2d) this.at++
    if (this.bytes[this.at] === 0x30) this.at++
    else if (!this.#skipDigits()) this.#fail('a value', from)
    if (this.bytes[this.at] === 0x2e) {
      this.at++
      if (!this.#skipDigits()) this.#fail('a digit')
    }
    const exponent = this.bytes[this.at]
    if (exponent !== 0x65 && exponent !== 0x45) return
    this.at++
    const sign = this.bytes[this.at]
    if (sign === 0x2b || sign === 0x2d) this.at++
    if (!this.#skipDigits()) this.#fail('a digit')
  }

  #skipDigits(): boolean {
    const from = this.at
    while (isDigit(this.bytes[this.at] ?? -1)) this.at++
    return this.at > from
  }

  #skipWord(word: string, kind: JsonKind): JsonKind {
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[this.at + i] !== word.charCodeAt(i)) this.#fail('a value')
    }
    this.at += word.length
    return kind
  }

  #take(byte: number, what: string): void {
    if (!this.#takeIf(byte)) this.#fail(what)
  }

  #takeIf(byte: number): boolean {
    if (this.peek() !== byte) return false
    this.at++
    return true
  }

  #fail(expected: string, at: number = this.at): never {
    if (this.#fault !== null) throw this.#fault
    const found = at < this.bytes.length ? `byte ${at}` : 'the end'
    throw new ApiError(
      'INVALID_REQUEST',
      `This is not the JSON that is expected here: at ${found}, expected ${expected}.`,
    )
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const encoder = new TextEncoder()

/** Whether `bytes` is `text`, which is ASCII. */
function isAscii(bytes: Uint8Array, text: string): boolean {
  if (bytes.length !== text.length) return false
  for (let at = 0; at < text.length; at++) if (bytes[at] !== text.charCodeAt(at)) return false
  return true
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
}
