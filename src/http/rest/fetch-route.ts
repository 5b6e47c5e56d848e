/**
 * `GET /v1/topics/{topic}/partitions/{partition}/records`: records from an offset on, as JSON; or, for who accepts nothing
 * but `application/octet-stream`, the value of one record. With `maxWaitMs` a long poll.
 */
import {
  type Caller,
  type FetchCall,
  type FetchedPartition,
  type Place,
  partitionError,
  type RecordGateway,
} from '../../broker/gateway/record-gateway.ts'
import type { Codecs, DecodedRecord } from '../../protocol/batch/types.ts'
import { limits } from '../../protocol/common.ts'
import { ApiError, type Failure, isFailure } from '../../protocol/errors.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { KiB, MiB, secondMs } from '../../util/units.ts'
import type { Exchange } from '../exchange.ts'
import { failureAnswer, type HttpAnswer, jsonType } from '../router.ts'
import { takeRecords } from './fetched.ts'
import { partitionOf } from './place.ts'
import { Query, wholeNumber } from './query.ts'
import { recordText, type ValueFormat, valueFormats } from './record-text.ts'

const maxWaitMsMax = 30 * secondMs
const maxBytesDefault = MiB
/** A longer key does not fit the headers that every client accepts. */
const keyBytesMax = 3 * KiB
const binaryType = 'application/octet-stream'

export interface FetchRouteOptions {
  readonly records: RecordGateway
  readonly codecs: Codecs
  /** Upper limit of `maxBytes`. */
  readonly maxBytesMax: number
}

interface Wanted {
  readonly offset: number | 'start' | 'end'
  readonly maxBytes: number
  readonly minBytes: number
  readonly maxWaitMs: number
  readonly maxRecords: number
  readonly format: ValueFormat
}

const parameters = ['offset', 'maxBytes', 'minBytes', 'maxWaitMs', 'maxRecords', 'format'] as const

export class FetchRoute {
  readonly #options: FetchRouteOptions

  constructor(options: FetchRouteOptions) {
    this.#options = options
  }

  readonly handle = async (exchange: Exchange): Promise<HttpAnswer> => {
    const { records } = this.#options
    const place = { topic: exchange.params.topic!, partition: partitionOf(exchange) }
    const wanted = this.#wanted(exchange)
    const topic = await records.topic(place.topic, place.partition + 1)
    if (isFailure(topic)) return failureAnswer(topic)
    const offset = await this.#offset(wanted, place, exchange)
    if (isFailure(offset)) return failureAnswer(offset)
    const { maxBytes, minBytes, maxWaitMs } = wanted
    const call: FetchCall = { ...place, offset, maxBytes, minBytes, maxWaitMs }
    const fetched = await records.fetch(call, exchange)
    if (isFailure(fetched)) return failureAnswer(fetched)
    try {
      // What another node sent counts nowhere else.
      exchange.hold((fetched.records as Uint8Array).length)
      return await this.#answer(fetched, call, wanted, exchange)
    } finally {
      fetched[Symbol.dispose]?.()
    }
  }

  async #answer(
    fetched: FetchedPartition,
    call: FetchCall,
    wanted: Wanted,
    { request }: Exchange,
  ): Promise<HttpAnswer> {
    const failure = partitionError(fetched)
    if (failure !== null) return failureAnswer(failure)
    const { codecs, maxBytesMax } = this.#options
    try {
      if (request.headers.accept?.trim() === binaryType) return await rawAnswer(fetched, call.offset, codecs)
      return await jsonRecords(fetched, call, { ...wanted, recordBytesMax: maxBytesMax }, codecs)
    } catch (error) {
      return failureAnswer(unreadable(error), 500)
    }
  }

  #wanted(exchange: Exchange): Wanted {
    const query = new Query(exchange.query, parameters)
    const { maxBytesMax } = this.#options
    return {
      offset: offsetOf(query),
      maxBytes: query.number('maxBytes', { min: 1, max: maxBytesMax }) ?? Math.min(maxBytesDefault, maxBytesMax),
      minBytes: query.number('minBytes', { min: 0, max: maxBytesMax }) ?? 1,
      maxWaitMs: query.number('maxWaitMs', { min: 0, max: maxWaitMsMax }) ?? 0,
      maxRecords: query.number('maxRecords', { min: 1, max: limits.plainRecords }) ?? limits.plainRecords,
      format: query.oneOf('format', valueFormats, 'json'),
    }
  }

  #offset({ offset }: Wanted, place: Place, caller: Caller): number | Promise<number | Failure> {
    return typeof offset === 'number' ? offset : this.#options.records.offsetOf(offset, place, caller)
  }
}

function offsetOf(query: Query): number | 'start' | 'end' {
  const text = query.text('offset') ?? 'start'
  if (text === 'start' || text === 'end') return text
  const offset = wholeNumber(text)
  if (offset === null) throw new ApiError('INVALID_REQUEST', 'offset is a whole number from 0, start or end.')
  return offset
}

/**
 * The text ends after the first record that brings it to `maxBytes`: `nextOffset` may stand within a batch. A
 * record that would need several times `maxBytesMax` as text is left to who takes its bytes as they are.
 */
async function jsonRecords(
  { records, logStartOffset, highWatermark }: FetchedPartition,
  { topic, partition, offset }: FetchCall,
  { maxBytes, maxRecords, recordBytesMax, format }: Wanted & { readonly recordBytesMax: number },
  codecs: Codecs,
): Promise<HttpAnswer> {
  const texts: string[] = []
  let length = 0
  let refusal: Failure | null = null
  const take = (record: DecodedRecord): boolean => {
    if (length >= maxBytes) return false
    const recordBytes = (record.key?.length ?? 0) + (record.value?.length ?? 0)
    if (recordBytes > recordBytesMax) {
      refusal = tooLargeAsText(record.offset, recordBytes, recordBytesMax)
      return false
    }
    const text = recordText(record, format)
    texts.push(text)
    length += text.length
    return true
  }
  const some = { fromOffset: offset, recordsMax: maxRecords }
  const nextOffset = await takeRecords(records as Uint8Array, some, codecs, take)
  if (refusal !== null && texts.length === 0) return failureAnswer(refusal, 406)
  const head = `{"topic":${JSON.stringify(topic)},"partition":${partition},"logStartOffset":${logStartOffset},"highWatermark":${highWatermark},"nextOffset":${nextOffset}`
  const body = Buffer.from(`${head},"records":[${texts.join(',')}]}\n`)
  return { status: 200, contentType: jsonType, body }
}

function tooLargeAsText(offset: number, bytes: number, bytesMax: number): Failure {
  const message = `The record at offset ${offset} has ${bytes} bytes; as JSON there are only those of up to http.request.max.bytes, ${bytesMax}. Ask for its value with Accept: ${binaryType}.`
  return { error: 'MESSAGE_TOO_LARGE', message }
}

/** The first record there is at the offset or behind it. */
async function rawAnswer(
  { records, highWatermark }: FetchedPartition,
  offset: number,
  codecs: Codecs,
): Promise<HttpAnswer> {
  const found: DecodedRecord[] = []
  const take = (record: DecodedRecord): boolean => found.push(record) === 1
  const some = { fromOffset: offset, recordsMax: 1 }
  const nextOffset = await takeRecords(records as Uint8Array, some, codecs, take)
  const record = found[0]
  const headers = { 'millrace-next-offset': `${nextOffset}`, 'millrace-high-watermark': `${highWatermark}` }
  if (record === undefined) return { status: 204, contentType: binaryType, body: '', headers }
  const { key, value } = record
  return {
    status: 200,
    contentType: binaryType,
    // A copy: what was fetched is given back before this has left.
    body: Buffer.from(value ?? []),
    headers: {
      ...headers,
      'millrace-offset': `${record.offset}`,
      'millrace-timestamp': `${record.timestamp}`,
      ...(key === null || key.length > keyBytesMax
        ? {}
        : { 'millrace-key-base64': Buffer.from(key).toString('base64') }),
      ...(value === null ? { 'millrace-value': 'null' } : {}),
    },
  }
}

/** A batch of a producer's own making (decisions/0003), or a codec that is not there. */
function unreadable(error: unknown): Failure {
  if (error instanceof ApiError) return { error: error.code, message: error.message }
  if (error instanceof ProtocolError) return { error: 'CORRUPT_MESSAGE', message: error.message }
  throw error
}
