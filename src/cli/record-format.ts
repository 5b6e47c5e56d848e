/**
 * kcat's format strings for records: `%t` topic, `%p` partition, `%o` offset, `%T` timestamp, `%k` key, `%s` value,
 * `%h` headers (`a=1,b=2`), `%K` and `%S` their lengths (-1 for null), `%%`, and the escapes `\n \t \r \0 \\ \xNN`.
 */
import { UsageError } from './failure.ts'

export interface PrintableRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly { name: string; value: Uint8Array | null }[]
}

type Part = (record: PrintableRecord) => Uint8Array | string

const verbs: Record<string, Part> = {
  t: record => record.topic,
  p: record => String(record.partition),
  o: record => String(record.offset),
  T: record => String(record.timestamp),
  k: record => record.key ?? '',
  s: record => record.value ?? '',
  K: record => String(record.key?.length ?? -1),
  S: record => String(record.value?.length ?? -1),
  h: record =>
    record.headers.map(h => `${h.name}=${h.value === null ? 'NULL' : Buffer.from(h.value).toString()}`).join(','),
  '%': () => '%',
}

const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' }

/** Compiles a format once; the result turns a record into the very bytes to print, values untouched. */
export function compileRecordFormat(format: string): (record: PrintableRecord) => Buffer {
  const parts: Part[] = []
  const pattern = /%(.?)|\\(x[0-9a-fA-F]{2}|.?)|[^%\\]+/gs
  for (const [whole, verb, escaped] of format.matchAll(pattern)) {
    if (verb !== undefined) {
      const part = verbs[verb]
      if (part === undefined)
        throw new UsageError(
          `format: unknown ${whole}; known are ${Object.keys(verbs)
            .map(v => `%${v}`)
            .join(' ')}`,
        )
      parts.push(part)
    } else {
      const text = escaped === undefined ? whole : unescapeOne(escaped, whole)
      parts.push(() => text)
    }
  }
  return record => Buffer.concat(parts.map(part => toBytes(part(record))))
}

function unescapeOne(escaped: string, whole: string): string {
  if (escaped.startsWith('x')) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
  const text = escapes[escaped]
  if (text === undefined) throw new UsageError(`format: unknown escape ${whole}`)
  return text
}

function toBytes(part: Uint8Array | string): Uint8Array {
  return typeof part === 'string' ? Buffer.from(part) : part
}
