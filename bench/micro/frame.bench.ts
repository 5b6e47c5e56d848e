/**
 * Envelopes on both ends, without I/O: a Produce request for one partition with one record batch of 168 B (a record of
 * 100 B) or 60 KB, its response, and a Metadata response of 10 topics with 100 partitions and 3 replicas each.
 */
import { metadata } from '../../src/protocol/apis/metadata.ts'
import { produce } from '../../src/protocol/apis/produce.ts'
import {
  decodeRequestEnvelope,
  decodeResponseEnvelope,
  encodeRequest,
  encodeResponse,
} from '../../src/protocol/frame.ts'
import { prescan, requestFrameLimits, responseFrameLimits } from '../../src/protocol/prescan.ts'
import { joinBytes } from '../../src/util/bytes.ts'
import { type Case, once, type Reference, type Room } from './case.ts'
import { copyOf, objects } from './references.ts'

const topicId = 'abcdefghijklmnopqrstuv'
const nodes = [1, 2, 3]

export const room: Room = {
  name: 'frame',
  cases: [...requestCases('168 B', 168, () => objects), ...requestCases('60 KB', 60_000, copyOf), ...responseCases()],
}

function requestCases(size: string, batchBytes: number, referenceFor: (frame: Uint8Array) => Reference): Case[] {
  const records = new Uint8Array(batchBytes)
  const body = {
    acks: -1,
    timeoutMs: 30_000,
    partitions: [{ topic: 'orders', topicId, partition: 3, leaderEpoch: 7, sendEpoch: 1, records }],
  }
  const frame = encodeRequest(produce, 0, 5, body)
  const reference = referenceFor(frame)
  const envelope = (): unknown => decodeRequestEnvelope(fresh(frame), requestFrameLimits)
  const whole = (): unknown =>
    produce.request.decode(decodeRequestEnvelope(fresh(frame), requestFrameLimits).body, 0, 'ProduceRequest')
  return [
    frameCase(`envelope encode, ${size}`, () => encodeRequest(produce, 0, 5, body), reference),
    frameCase(`envelope scan, ${size}`, () => prescan(frame, requestFrameLimits), reference),
    frameCase(`envelope decode, ${size}`, envelope, reference),
    frameCase(`envelope and body decode, ${size}`, whole, reference),
  ]
}

function responseCases(): Case[] {
  const produced = producedResponse()
  const described = metadataResponse()
  const producedFrame = joinBytes(encodeResponse(produce, 0, 5, produced))
  const describedFrame = joinBytes(encodeResponse(metadata, 0, 5, described))
  const bodyOf = (frame: Uint8Array): unknown => decodeResponseEnvelope(fresh(frame), responseFrameLimits).body
  const decodeProduced = (): unknown => produce.response.decode(bodyOf(producedFrame), 0, 'ProduceResponse')
  const decodeDescribed = (): unknown => metadata.response.decode(bodyOf(describedFrame), 0, 'MetadataResponse')
  return [
    frameCase('Produce response encode', () => encodeResponse(produce, 0, 5, produced), objects),
    frameCase('Produce response decode', decodeProduced, objects),
    frameCase('Metadata response encode, 1,000 partitions', () => encodeResponse(metadata, 0, 5, described), objects),
    frameCase('Metadata response decode, 1,000 partitions', decodeDescribed, objects),
  ]
}

function frameCase(name: string, run: () => unknown, reference: Reference): Case {
  return { name, operation: 'a frame', clock: 'cpu', prepare: () => ({ run: once(run), reference }) }
}

/** A view of its own for every decoding, as a socket gives it. */
function fresh(frame: Uint8Array): Uint8Array {
  return new Uint8Array(frame.buffer, frame.byteOffset, frame.length)
}

function producedResponse() {
  const item = { errorCode: 0, errorMessage: null, baseOffset: 123_456_789_012, logAppendTimeMs: -1, logStartOffset: 0 }
  return { partitions: [{ topic: 'orders', partition: 3, ...item }] }
}

function metadataResponse() {
  const leadership = { errorCode: 0, leaderId: 1, leaderEpoch: 4 }
  const sets = { replicas: nodes, isr: nodes, offlineReplicas: [], elr: [], addingReplicas: [], removingReplicas: [] }
  const partitions = Array.from({ length: 100 }, (_, partition) => ({ partition, ...leadership, ...sets }))
  return {
    clusterId: topicId,
    controllerId: 1,
    brokers: nodes.map(nodeId => ({ nodeId, url: `ws://node-${nodeId}:9292`, rack: null })),
    topics: Array.from({ length: 10 }, (_, topic) => {
      return { errorCode: 0, name: `topic-${topic}`, topicId, isInternal: false, partitions }
    }),
  }
}
