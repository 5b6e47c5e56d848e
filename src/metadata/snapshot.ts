/**
 * An image as bytes and back. A snapshot is the shortest list of records that makes the image, in an order that depends
 * on the contents only (that of the persistent maps), so equal images have equal snapshots. It is a sequence of chunks, each with its length and
 * CRC-32C, that can be written, sent and read one at a time:
 *
 *     chunk    uint32 length of the payload, uint32 CRC-32C of the payload, payload (both big-endian)
 *     payload  ['header', format, lastOffset] first, then ['records', [record, …]] …, then ['end', count of records]
 */
import { pack, unpack } from '../protocol/msgpack.ts'
import { ProtocolError } from '../protocol/protocol-error.ts'
import { concatBytes } from '../util/bytes.ts'
import { crc32c } from '../util/crc32c.ts'
import { AssertionError, CorruptionError } from '../util/errors.ts'
import type { Offset } from '../util/numbers.ts'
import type { ClusterImage } from './cluster-image.ts'
import { emptyImage, sessionsOldestFirst } from './cluster-image.ts'
import type { TopicImage } from './image.ts'
import { hashKey } from './persistent-map.ts'
import type { MetadataRecord } from './record-types.ts'
import { decodeRecord, encodeRecord, entryLimits } from './records.ts'
import { ImageBuilder } from './replay.ts'

/** Version of the frame around the records; the records have versions of their own. */
const snapshotFormat = 1
/** The work between two pauses, a millisecond or two. */
const recordsPerChunk = 256
const chunkHeaderBytes = 8

/** The whole snapshot in one piece. */
export function writeSnapshot(image: ClusterImage): Uint8Array {
  return concatBytes([...snapshotChunks(image)])
}

/** The snapshot a chunk at a time: the image cannot change meanwhile, so the caller may pause between two. */
export function* snapshotChunks(image: ClusterImage): Generator<Uint8Array, undefined> {
  yield frameChunk(['header', snapshotFormat, image.lastOffset])
  let count = 0
  let records: unknown[][] = []
  for (const record of imageRecords(image)) {
    records.push(encodeRecord(record))
    count++
    if (records.length === recordsPerChunk) {
      yield frameChunk(['records', records])
      records = []
    }
  }
  if (records.length > 0) yield frameChunk(['records', records])
  yield frameChunk(['end', count])
}

/** Throws `CorruptionError` for bytes that are not one whole snapshot, or are of a version this code does not know. */
export function restoreSnapshot(bytes: Uint8Array): ClusterImage {
  const steps = restoreSteps(bytes)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** The same a chunk at a time: the caller may pause between two. */
export function* restoreSteps(bytes: Uint8Array): Generator<void, ClusterImage> {
  const builder = new ImageBuilder(emptyImage)
  let at = 0
  let count = 0
  const next = (kind: string): unknown[] => {
    const { payload, end } = readChunk(bytes, at)
    if (kind !== '' && payload[0] !== kind) throw corrupt(at, `found a chunk other than '${kind}'`)
    at = end
    return payload
  }
  const [, format, lastOffset] = next('header')
  if (format !== snapshotFormat) throw corrupt(0, `format ${String(format)} is not known to this version of Millrace`)
  if (!Number.isSafeInteger(lastOffset)) throw corrupt(0, 'the last offset is not an integer')
  for (;;) {
    const chunkAt = at
    const [kind, body] = next('')
    if (kind === 'records') count += replayChunk(builder, body, chunkAt)
    else if (kind === 'end' && body === count && at === bytes.length) break
    else throw corrupt(chunkAt, 'the end does not match the records before it')
    yield
  }
  return { ...builder.image(), lastOffset: lastOffset as Offset }
}

/** Equal for equal images, on every node: what tests and the simulator compare. 8 hexadecimal digits. */
export function imageHash(image: ClusterImage): string {
  let hash = 0
  for (const chunk of snapshotChunks(image)) hash = hashKey(`${hash} ${crc32c(chunk, 0, chunk.length)}`)
  return hash.toString(16).padStart(8, '0')
}

/** The records that make the image from nothing. */
function* imageRecords(image: ClusterImage): Generator<MetadataRecord, undefined> {
  const { clusterId, featureLevel } = image
  if (clusterId !== null) yield { kind: 'bootstrap', clusterId, featureLevel }
  for (const [, broker] of image.brokers) yield { kind: 'registerBroker', ...broker }
  for (const [nodeId, configs] of image.brokerConfigs) yield* configRecords('broker', String(nodeId), configs)
  for (const [, topic] of image.topics.byName) yield* topicRecords(topic)
  for (const [clientId, { order: _, ...session }] of sessionsOldestFirst(image.sessions)) {
    yield { kind: 'session', clientId, ...session, evictedClientIds: [] }
  }
}

function* topicRecords(topic: TopicImage): Generator<MetadataRecord, undefined> {
  yield { kind: 'topic', topicId: topic.id, name: topic.name }
  for (const [partition, state] of topic.partitions.entries()) {
    yield { kind: 'partition', topicId: topic.id, partition, ...state }
  }
  yield* configRecords('topic', topic.id, topic.configs)
}

function* configRecords(
  resourceType: 'topic' | 'broker',
  resource: string,
  configs: ReadonlyMap<string, string>,
): Generator<MetadataRecord, undefined> {
  for (const [key, value] of sorted(configs)) yield { kind: 'config', resourceType, resource, key, value }
}

/** Configs keep the order they were set in, which is not the same on every node. */
function sorted(configs: ReadonlyMap<string, string>): [string, string][] {
  return [...configs].sort(([a], [b]) => (a < b ? -1 : 1))
}

function frameChunk(payload: unknown[]): Uint8Array {
  const packed = pack(payload)
  const chunk = new Uint8Array(chunkHeaderBytes + packed.length)
  const view = new DataView(chunk.buffer)
  view.setUint32(0, packed.length)
  view.setUint32(4, crc32c(packed, 0, packed.length))
  chunk.set(packed, chunkHeaderBytes)
  return chunk
}

function readChunk(bytes: Uint8Array, at: number): { payload: unknown[]; end: number } {
  const from = at + chunkHeaderBytes
  if (from > bytes.length) throw corrupt(at, 'it ends before the end chunk')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = from + view.getUint32(at)
  if (end > bytes.length) throw corrupt(at, 'a chunk is longer than what is left')
  if (crc32c(bytes, from, end) !== view.getUint32(at + 4)) throw corrupt(at, 'the CRC does not match')
  const payload = explain(at, () => unpack(bytes.subarray(from, end), entryLimits))
  if (!Array.isArray(payload)) throw corrupt(at, 'a chunk is not an array')
  return { payload, end }
}

function replayChunk(builder: ImageBuilder, records: unknown, at: number): number {
  if (!Array.isArray(records)) throw corrupt(at, 'records are not an array')
  explain(at, () => {
    for (const record of records) builder.replay(decodeRecord(record))
  })
  return records.length
}

/** The bytes are what was written (their CRC says so), but not by code that agrees with ours: as bad as damage. */
function explain<T>(at: number, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof AssertionError) throw corrupt(at, error.message, error)
    throw error
  }
}

function corrupt(at: number, message: string, cause?: Error): CorruptionError {
  return new CorruptionError(`metadata snapshot, byte ${at}`, message, cause === undefined ? undefined : { cause })
}
