/** What a POST of records asks for: its records, from whichever kind of body, and what is to be true before its answer. */
import { ApiError } from '../../protocol/errors.ts'
import { minuteMs, secondMs } from '../../util/units.ts'
import type { Exchange } from '../exchange.ts'
import { Query } from './query.ts'
import { type PostedRecord, type PostedRecords, parseBase64, parseRecords } from './record-json.ts'

export interface Posted extends PostedRecords {
  readonly acks: 0 | 1 | -1
  readonly timeoutMs: number
}

const timeoutMsMax = 10 * minuteMs
const timeoutMsDefault = 30 * secondMs
const acksByName = { all: -1, '-1': -1, '1': 1, '0': 0 } as const
const acksNames = Object.keys(acksByName) as Array<keyof typeof acksByName>

const always = ['acks', 'timeoutMs'] as const
const ofOne = ['key', 'keyBase64', 'timestamp', 'partition'] as const

/**
 * `partition`: of the path; `null` when the path names none. Rejects with `ApiError`, before the body is read where that
 * is possible; with `UnsupportedMediaType` for a body of another kind.
 */
export async function readPosted(exchange: Exchange, partition: number | null): Promise<Posted> {
  const type = mediaType(exchange)
  const isJson = type === 'application/json'
  const query = new Query(exchange.query, isJson ? always : [...always, ...ofOne], isJson ? [] : ['header'])
  const acks = acksByName[query.oneOf('acks', acksNames, 'all')]
  const timeoutMs = query.number('timeoutMs', { min: 1, max: timeoutMsMax }) ?? timeoutMsDefault
  const template = isJson ? null : recordOf(query)
  const body = await exchange.body()
  const { isSingle, records } =
    template === null ? parseRecords(body) : { isSingle: true, records: [{ ...template, value: body }] }
  if (partition !== null) for (const record of records) placeIn(partition, record)
  return { acks, timeoutMs, isSingle, records }
}

/** The body is of a kind that is not served. */
export class UnsupportedMediaType extends Error {
  override readonly name = 'UnsupportedMediaType'
}

function mediaType({ request }: Exchange): 'application/json' | 'application/octet-stream' {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type === 'application/json' || type === 'application/octet-stream') return type
  throw new UnsupportedMediaType(
    'Records are posted as application/json, or one record’s value as application/octet-stream; Content-Type says which.',
  )
}

/** All but the value of a record whose value is the body. */
function recordOf(query: Query): PostedRecord {
  const key = query.text('key')
  const keyBase64 = query.text('keyBase64')
  if (key !== null && keyBase64 !== null) throw new ApiError('INVALID_REQUEST', 'There is key or keyBase64, not both.')
  return {
    partition: query.number('partition', { min: 0, max: 2 ** 31 - 1 }),
    key: keyBase64 === null ? (key === null ? null : Buffer.from(key)) : fromBase64(keyBase64),
    value: null,
    headers: query.all('header').map(headerOf),
    timestamp: query.number('timestamp', { min: 0, max: Number.MAX_SAFE_INTEGER }),
  }
}

function fromBase64(text: string): Uint8Array {
  const bytes = parseBase64(text)
  if (bytes === null) throw new ApiError('INVALID_REQUEST', 'keyBase64 is not base64.')
  return bytes
}

/** `name:value`, as `millrace produce -H` has it. */
function headerOf(text: string): { name: string; value: Uint8Array } {
  const colon = text.indexOf(':')
  if (colon < 1) throw new ApiError('INVALID_REQUEST', 'header is name:value.')
  return { name: text.slice(0, colon), value: Buffer.from(text.slice(colon + 1)) }
}

function placeIn(partition: number, record: PostedRecord): void {
  if (record.partition !== null && record.partition !== partition) {
    throw new ApiError(
      'INVALID_REQUEST',
      `The path names partition ${partition}, a record partition ${record.partition}.`,
    )
  }
  record.partition = partition
}
