/** What the HTTP side is asked under load: requests, what has to be there before, and how many records one of them is. */
import type { Request } from 'autocannon'

export interface Load {
  readonly name: string
  readonly durability: 'os' | 'sync' | null
  readonly request: Request & { readonly path: string }
  readonly recordsPerRequest: number
  /** While records are posted, one by one, by a second client. */
  readonly isBesidePosts: boolean
}

const recordBytes = 100
const batchRecords = 100
/** Topics of one partition, by durability; `read` has one batch to be read again and again. */
export const topics = { os: 'os', sync: 'sync', read: 'read' } as const
/** Topics of so many partitions that nobody uses: what `/metrics` has to tell of. */
export const idlePartitions = 100

const value = (length: number): string => 'x'.repeat(length)
const json = { 'content-type': 'application/json' }
const bytes = { 'content-type': 'application/octet-stream' }

const posting = (topic: string): string => `/v1/topics/${topic}/records`
const reading = `/v1/topics/${topics.read}/partitions/0/records?offset=0`

const one = JSON.stringify({ key: 'key', value: value(recordBytes) })
export const batch = JSON.stringify({
  records: Array.from({ length: batchRecords }, (_, i) => ({ key: `key-${i}`, value: value(recordBytes) })),
})

export function postOne(durability: 'os' | 'sync'): Load['request'] {
  return { method: 'POST', path: posting(topics[durability]), headers: json, body: one }
}

export const loads: readonly Load[] = [
  ...(['os', 'sync'] as const).flatMap(durability => [
    load(`POST one, JSON, ${recordBytes} B`, durability, postOne(durability), 1),
    load(
      `POST ${batchRecords}, JSON, ${recordBytes} B each`,
      durability,
      { method: 'POST', path: posting(topics[durability]), headers: json, body: batch },
      batchRecords,
    ),
  ]),
  load(
    'POST one, bytes, 1 KiB',
    'os',
    { method: 'POST', path: `${posting(topics.os)}?key=key`, headers: bytes, body: value(1024) },
    1,
  ),
  load(`GET ${batchRecords}, JSON`, null, { method: 'GET', path: reading }, batchRecords),
  load('GET one, bytes', null, { method: 'GET', path: reading, headers: { accept: bytes['content-type'] } }, 1),
  load('GET /readyz', null, { method: 'GET', path: '/readyz' }, 0),
  load(`GET /metrics, ${idlePartitions} idle partitions`, null, { method: 'GET', path: '/metrics' }, 0),
  load('GET /metrics, while records are posted', null, { method: 'GET', path: '/metrics' }, 0, true),
]

function load(
  name: string,
  durability: Load['durability'],
  request: Load['request'],
  recordsPerRequest: number,
  isBesidePosts = false,
): Load {
  return { name, durability, request, recordsPerRequest, isBesidePosts }
}
