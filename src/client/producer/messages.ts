/** Checks messages before any of them enters a batch, and turns header values into bytes. */
import type { RecordHeader } from '../../protocol/batch/types.ts'
import { ApiError } from '../../protocol/errors.ts'
import type { HeadersInput, Message } from './types.ts'

/** Throws `INVALID_REQUEST` naming the first message that cannot be sent: all are refused before any is taken. */
export function checkMessages(messages: readonly Message[]): void {
  if (!Array.isArray(messages)) throw new ApiError('INVALID_REQUEST', 'messages: expected an array')
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i] as Message | null | undefined
    if (typeof message !== 'object' || message === null) throw refused(i, '', 'an object')
    const { key, value } = message
    if (value !== null && typeof value !== 'string' && !(value instanceof Uint8Array)) {
      throw refused(i, '.value', 'a string, a Uint8Array or null')
    }
    if (key !== undefined && key !== null && typeof key !== 'string' && !(key instanceof Uint8Array)) {
      throw refused(i, '.key', 'a string, a Uint8Array or null')
    }
    if (message.timestamp !== undefined && !isCount(message.timestamp))
      throw refused(i, '.timestamp', 'milliseconds since 1970')
    if (message.partition !== undefined && !isCount(message.partition))
      throw refused(i, '.partition', 'a partition number')
    if (message.headers !== undefined) checkHeaders(message.headers, i)
  }
}

const encoder = new TextEncoder()

/** Header values as bytes; `null` when there are none, which costs the batch builder nothing. */
export function recordHeaders(headers: HeadersInput | undefined): readonly RecordHeader[] | null {
  if (headers === undefined) return null
  if (Array.isArray(headers)) return headers.length === 0 ? null : (headers as readonly RecordHeader[])
  const entries = Object.entries(headers as Readonly<Record<string, string | Uint8Array | null>>)
  if (entries.length === 0) return null
  return entries.map(([name, value]) => ({ name, value: typeof value === 'string' ? encoder.encode(value) : value }))
}

function checkHeaders(headers: HeadersInput, index: number): void {
  if (typeof headers !== 'object' || headers === null) throw refused(index, '.headers', 'an object or an array')
  if (Array.isArray(headers)) {
    for (const header of headers as readonly Partial<RecordHeader>[]) {
      if (typeof header?.name !== 'string' || !(header.value === null || header.value instanceof Uint8Array)) {
        throw refused(index, '.headers', 'a list of { name: string, value: Uint8Array | null }')
      }
    }
    return
  }
  for (const value of Object.values(headers)) {
    if (value !== null && typeof value !== 'string' && !((value as unknown) instanceof Uint8Array)) {
      throw refused(index, '.headers', 'values that are strings, Uint8Arrays or null')
    }
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function refused(index: number, path: string, expected: string): ApiError {
  return new ApiError('INVALID_REQUEST', `messages[${index}]${path}: expected ${expected}`)
}
