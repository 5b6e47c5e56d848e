/**
 * Records as JSON, the other way round from record-json.ts: what is read back and posted again is the same bytes. A value
 * that is a JSON object, array, number or boolean stands as it is; other text is a string, and so is what would be
 * taken for one or for no value; bytes that are no text are base64. Keys and headers are strings or base64.
 */
import { isUtf8 } from 'node:buffer'
import type { DecodedRecord, RecordHeader } from '../../protocol/batch/types.ts'
import { jsonKindOf } from './json-scan.ts'

export const valueFormats = ['json', 'text', 'base64'] as const
export type ValueFormat = (typeof valueFormats)[number]

export function recordText({ offset, timestamp, key, value, headers }: DecodedRecord, format: ValueFormat): string {
  const keyField = blobField('key', key, format === 'base64' ? 'base64' : 'text')
  return `{"offset":${offset},"timestamp":${timestamp},${keyField},${blobField('value', value, format)},"headers":${headersText(headers, format)}}`
}

function blobField(name: string, bytes: Uint8Array | null, format: ValueFormat): string {
  if (bytes === null) return `"${name}":null`
  if (format === 'base64' || !isUtf8(bytes)) return `"${name}Base64":"${view(bytes).toString('base64')}"`
  const text = view(bytes).toString('utf8')
  return `"${name}":${format === 'json' && standsAsItIs(bytes) ? text : JSON.stringify(text)}`
}

function standsAsItIs(bytes: Uint8Array): boolean {
  // Most text is told by its ends. White space around a value would not come back with it.
  const first = bytes[0] ?? 0
  const last = bytes.at(-1) ?? 0
  if (first === 0x7b ? last !== 0x7d : first === 0x5b ? last !== 0x5d : !isScalarStart(first) || last <= 0x20)
    return false
  const kind = jsonKindOf(bytes)
  return kind !== null && kind !== 'string' && kind !== 'null'
}

/** Of a number, `true` or `false`. */
function isScalarStart(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x74 || byte === 0x66
}

function headersText(headers: readonly RecordHeader[], format: ValueFormat): string {
  if (headers.length === 0) return '[]'
  const valueFormat = format === 'base64' ? 'base64' : 'text'
  const texts = headers.map(
    ({ name, value }) => `{"name":${JSON.stringify(name)},${blobField('value', value, valueFormat)}}`,
  )
  return `[${texts.join(',')}]`
}

/** The same bytes, with `Buffer`'s ways of reading them. */
function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
