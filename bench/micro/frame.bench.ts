/**
 * What a frame costs on both ends, in one process and without I/O: schema, MessagePack, scan.
 * Workload: a Produce request for one partition with one record batch of 168 B (a single record of 100 B) or 60 KB,
 * its response, and a Metadata response of 10 topics with 100 partitions and 3 replicas each.
 * Every figure is the best of 5 rounds of at least 0.3 s.
 *
 *     node --import tsx bench/micro/frame.bench.ts
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
import { measure, report } from './measure.ts'

const topicId = 'abcdefghijklmnopqrstuv'

function produceRequest(batchBytes: number) {
  const records = new Uint8Array(batchBytes)
  return {
    acks: -1,
    timeoutMs: 30_000,
    partitions: [{ topic: 'orders', topicId, partition: 3, leaderEpoch: 7, sendEpoch: 1, records }],
  }
}

/** A view of its own for every decoding, as a socket gives it. */
const fresh = (frame: Uint8Array): Uint8Array => new Uint8Array(frame.buffer, frame.byteOffset, frame.length)

function once(run: () => unknown): () => number {
  return () => {
    run()
    return 1
  }
}

for (const batchBytes of [168, 60_000]) {
  const body = produceRequest(batchBytes)
  const frame = encodeRequest(produce, 0, 5, body)
  report(`Produce request, ${batchBytes} B batch, frames`, [
    ['encode', measure(once(() => encodeRequest(produce, 0, 5, body)))],
    ['scan', measure(once(() => prescan(frame, requestFrameLimits)))],
    ['decode envelope', measure(once(() => decodeRequestEnvelope(fresh(frame), requestFrameLimits)))],
    ['decode all', measure(once(() => decodeProduce(fresh(frame))))],
  ])
}

function decodeProduce(frame: Uint8Array): unknown {
  return produce.request.decode(decodeRequestEnvelope(frame, requestFrameLimits).body, 0, 'ProduceRequest')
}

const produced = {
  partitions: [
    {
      topic: 'orders',
      partition: 3,
      errorCode: 0,
      errorMessage: null,
      baseOffset: 123_456_789_012,
      logAppendTimeMs: -1,
      logStartOffset: 0,
    },
  ],
}
const nodes = [1, 2, 3]
const described = {
  clusterId: topicId,
  controllerId: 1,
  brokers: nodes.map(nodeId => ({ nodeId, url: `ws://node-${nodeId}:9292`, rack: null })),
  topics: Array.from({ length: 10 }, (_, topic) => ({
    errorCode: 0,
    name: `topic-${topic}`,
    topicId,
    isInternal: false,
    partitions: Array.from({ length: 100 }, (_, partition) => ({
      errorCode: 0,
      partition,
      leaderId: 1,
      leaderEpoch: 4,
      replicas: nodes,
      isr: nodes,
      offlineReplicas: [],
      elr: [],
      addingReplicas: [],
      removingReplicas: [],
    })),
  })),
}
const producedFrame = encodeResponse(produce, 0, 5, produced)
const describedFrame = encodeResponse(metadata, 0, 5, described)
const bodyOf = (frame: Uint8Array): unknown => decodeResponseEnvelope(fresh(frame), responseFrameLimits).body
report('responses, frames', [
  ['Produce encode', measure(once(() => encodeResponse(produce, 0, 5, produced)))],
  ['Produce decode', measure(once(() => produce.response.decode(bodyOf(producedFrame), 0, 'ProduceResponse')))],
  ['Metadata, 1,000 partitions encode', measure(once(() => encodeResponse(metadata, 0, 5, described)))],
  ['Metadata, 1,000 partitions decode', measure(once(() => metadata.response.decode(bodyOf(describedFrame), 0, '')))],
])
