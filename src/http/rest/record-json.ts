/**
 * Records as a JSON body gives them: one, `{"value": …}`, or several, `{"records": [{"value": …}, …]}`. Text is stored as
 * its UTF-8, any other JSON value as it was sent, `null` as no value; `keyBase64` and `valueBase64` are for bytes that are
 * neither. A field nobody knows is refused: a misspelt one would otherwise be lost without a word.
 */
import { isUtf8 } from 'node:buffer'
import type { RecordHeader } from '../../protocol/batch/types.ts'
import { limits } from '../../protocol/common.ts'
import { ApiError } from '../../protocol/errors.ts'
import { JsonScan } from './json-scan.ts'

/** Keys and values may be views of the body. */
export interface PostedRecord {
  /** `null`: for the node to choose. */
  partition: number | null
  key: Uint8Array | null
  value: Uint8Array | null
  headers: RecordHeader[]
  /** Milliseconds since 1970; `null`: now. */
  timestamp: number | null
}

export interface PostedRecords {
  /** Whether the body was one record, and the answer is to be about one. */
  readonly isSingle: boolean
  readonly records: readonly PostedRecord[]
}

/** Throws `ApiError` `INVALID_REQUEST`, or `INVALID_RECORD` naming the record. */
export function parseRecords(body: Uint8Array): PostedRecords {
  if (!isUtf8(body)) throw new ApiError('INVALID_REQUEST', 'The body is not UTF-8.')
  // Not `Buffer`'s `subarray`, which is slower than that of the arrays it is made of.
  const scan = new JsonScan(new Uint8Array(body.buffer, body.byteOffset, body.length))
  let several: PostedRecord[] | null = null
  const single = new RecordReader(scan, 'the record')
  scan.readObject(name => {
    if (name !== 'records') single.readField(name)
    else if (several !== null) throw new ApiError('INVALID_REQUEST', 'The field records is there twice.')
    else several = readSeveral(scan)
  }, fieldNames)
  scan.expectEnd()
  if (several === null) return { isSingle: true, records: [single.finish()] }
  if (single.hasFields) throw new ApiError('INVALID_REQUEST', 'Beside records there may be no other field.')
  if ((several as PostedRecord[]).length === 0) throw new ApiError('INVALID_RECORD', 'There are no records.')
  return { isSingle: false, records: several }
}

function readSeveral(scan: JsonScan): PostedRecord[] {
  const records: PostedRecord[] = []
  scan.readArray(index => {
    if (index >= limits.plainRecords) {
      throw new ApiError('INVALID_REQUEST', `A request has at most ${limits.plainRecords} records.`)
    }
    const reader = new RecordReader(scan, `records[${index}]`)
    scan.readObject(name => reader.readField(name), fieldNames)
    records.push(reader.finish())
  })
  return records
}

const fieldNames = ['key', 'value', 'headers', 'timestamp', 'partition', 'keyBase64', 'valueBase64']

/** One record, field by field. */
class RecordReader {
  readonly #scan: JsonScan
  readonly #where: string
  readonly #record: PostedRecord = { partition: null, key: null, value: null, headers: [], timestamp: null }
  /** Names read, `keyBase64` as `key`. */
  readonly #seen = new Set<string>()

  constructor(scan: JsonScan, where: string) {
    this.#scan = scan
    this.#where = where
  }

  get hasFields(): boolean {
    return this.#seen.size > 0
  }

  readField(name: string): void {
    const field = name === 'keyBase64' ? 'key' : name === 'valueBase64' ? 'value' : name
    if (this.#seen.has(field)) this.#refuse(`${field} is there twice`)
    this.#seen.add(field)
    const record = this.#record
    if (name === 'value') record.value = this.#readBlob()
    else if (name === 'key') record.key = this.#readBlob()
    else if (name === 'valueBase64') record.value = this.#readBase64(name)
    else if (name === 'keyBase64') record.key = this.#readBase64(name)
    else if (name === 'headers') this.#readHeaders()
    else if (name === 'partition') record.partition = this.#readCount(name)
    else if (name === 'timestamp') record.timestamp = this.#readCount(name)
    else this.#refuse(`there is no field ${name.slice(0, 40)}`)
  }

  finish(): PostedRecord {
    if (!this.#seen.has('value')) this.#refuse('value is missing; a record that removes its key has "value": null')
    return this.#record
  }

  #readBlob(): Uint8Array | null {
    if (this.#scan.peek() === quote) return this.#scan.readText()
    const { kind, bytes } = this.#scan.readRaw()
    return kind === 'null' ? null : bytes
  }

  #readBase64(name: string): Uint8Array {
    if (this.#scan.peek() !== quote) this.#refuse(`${name} is a string`)
    return parseBase64(this.#scan.readString()) ?? this.#refuse(`${name} is not base64`)
  }

  /** `null` is the same as not being there. */
  #readCount(name: string): number | null {
    const { kind, bytes } = this.#scan.readRaw()
    if (kind === 'null') return null
    const number = kind === 'number' ? Number(decoder.decode(bytes)) : Number.NaN
    if (!Number.isSafeInteger(number) || number < 0) this.#refuse(`${name} is a whole number from 0`)
    return number
  }

  /** `{"name": "text"}`, or `[{"name": …, "value": …}]` where names repeat or values are bytes. */
  #readHeaders(): void {
    const next = this.#scan.peek()
    if (next === openBrace) {
      this.#scan.readObject(name => {
        if (this.#scan.peek() !== quote) this.#refuse('the value of a header is a string')
        this.#addHeader({ name, value: this.#scan.readText() })
      })
    } else if (next === openBracket) {
      this.#scan.readArray(() => this.#readHeader())
    } else {
      this.#refuse('headers is an object or an array')
    }
  }

  #readHeader(): void {
    let name: string | null = null
    let value: Uint8Array | null | undefined
    this.#scan.readObject(field => {
      if (field === 'name' && name === null) name = this.#scan.readString()
      else if (field === 'value' && value === undefined) value = this.#readHeaderValue()
      else if (field === 'valueBase64' && value === undefined) value = this.#readBase64(field)
      else this.#refuse('a header is {"name": …, "value": …} or {"name": …, "valueBase64": …}')
    })
    if (name === null || value === undefined) this.#refuse('a header has a name and a value')
    this.#addHeader({ name, value })
  }

  #readHeaderValue(): Uint8Array | null {
    if (this.#scan.peek() === quote) return this.#scan.readText()
    if (this.#scan.skipValue() !== 'null') this.#refuse('the value of a header is a string or null')
    return null
  }

  #addHeader(header: RecordHeader): void {
    this.#record.headers.push(header)
    if (this.#record.headers.length > limits.plainHeaders) this.#refuse(`at most ${limits.plainHeaders} headers`)
  }

  #refuse(why: string): never {
    throw new ApiError('INVALID_RECORD', `In ${this.#where}: ${why}.`)
  }
}

const quote = 0x22
const openBrace = 0x7b
const openBracket = 0x5b
const decoder = new TextDecoder()

/** Base64 of RFC 4648 with its padding; `null` for anything else, which `Buffer` would read as something. */
export function parseBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null
  return Buffer.from(text, 'base64')
}
