/** Frames: exact bytes, both ends, and every kind of frame that is refused, with memory and time bounded. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineApi } from '../../src/protocol/api.ts'
import { produce } from '../../src/protocol/apis/produce.ts'
import { limits } from '../../src/protocol/common.ts'
import {
  decodeRequestEnvelope,
  decodeResponseEnvelope,
  encodeErrorResponse,
  encodeRequest,
  encodeRequestInParts,
  encodeResponse,
} from '../../src/protocol/frame.ts'
import { pack, unpack } from '../../src/protocol/msgpack.ts'
import { prescan, requestFrameLimits, responseFrameLimits } from '../../src/protocol/prescan.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import { array, bytes, field, int64, nullable, string, struct } from '../../src/protocol/schema.ts'
import { joinBytes } from '../../src/util/bytes.ts'

const echo = defineApi({
  key: 1999,
  name: 'Echo',
  versions: [0, 0],
  doc: 'For tests.',
  request: struct({
    number: field(int64, ''),
    text: field(nullable(string({ lengthMax: 1000 })), ''),
    data: field(bytes({ lengthMax: 1000 }), ''),
  }),
  response: struct({}),
})
const echoBytes = (number: number): number[] => [
  ...encodeRequest(echo, 0, 7, { number, text: null, data: new Uint8Array(0) }),
]
/** What the number looks like in a frame that is otherwise known. */
const numberBytes = (number: number): number[] => echoBytes(number).slice(7, -3)

test('a request, byte for byte', () => {
  const frame = encodeRequest(echo, 0, 7, { number: 5, text: 'hé', data: Uint8Array.of(1, 2) })
  assert.deepEqual([...frame], [0x94, 0xcd, 0x07, 0xcf, 0, 7, 0x93, 5, 0xa3, 0x68, 0xc3, 0xa9, 0xc4, 2, 1, 2])
  const { body, ...envelope } = decodeRequestEnvelope(frame, requestFrameLimits)
  assert.deepEqual(envelope, { apiKey: 1999, apiVersion: 0, correlationId: 7 })
  assert.deepEqual(echo.request.decode(body, 0, 'EchoRequest'), { number: 5, text: 'hé', data: frame.subarray(-2) })
})

test('responses, byte for byte', () => {
  assert.deepEqual([...joinBytes(encodeResponse(echo, 0, 7, {}))], [0x93, 7, 0, 0x90])
  assert.deepEqual([...encodeErrorResponse(7, 42, 'no')], [0x93, 7, 42, 0xa2, 0x6e, 0x6f])
  assert.deepEqual([...encodeErrorResponse(-1, -1, null)], [0x93, 0xff, 0xff, 0xc0])
  assert.deepEqual(decodeResponseEnvelope(encodeErrorResponse(7, 42, 'no'), responseFrameLimits), {
    correlationId: 7,
    errorCode: 42,
    body: 'no',
  })
})

test('the message of an error is cut and mended', () => {
  const { body } = decodeResponseEnvelope(encodeErrorResponse(1, 2, '\ud800'.repeat(99_999)), responseFrameLimits)
  assert.equal(body, '\ufffd'.repeat(limits.errorMessageLength))
})

const integers: ReadonlyArray<[number: number, bytes: number[]]> = [
  [127, [0x7f]],
  [-32, [0xe0]],
  [128, [0xcc, 0x80]],
  [2 ** 32 - 1, [0xce, 0xff, 0xff, 0xff, 0xff]],
  [2 ** 32, [0xd3, 0, 0, 0, 1, 0, 0, 0, 0]],
  [-(2 ** 31), [0xd2, 0x80, 0, 0, 0]],
  [-(2 ** 31) - 1, [0xd3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]],
  [1_760_000_000_123, [0xd3, 0, 0, 1, 0x99, 0xc8, 0x2c, 0xc0, 0x7b]],
  [Number.MAX_SAFE_INTEGER, [0xd3, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  [Number.MIN_SAFE_INTEGER, [0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 1]],
]
for (const [number, expected] of integers) {
  test(`int64 ${number} travels as an integer and comes back as a number`, () => {
    assert.deepEqual(numberBytes(number), expected)
    const { body } = decodeRequestEnvelope(Uint8Array.from(echoBytes(number)), requestFrameLimits)
    assert.strictEqual(echo.request.decode(body, 0, '').number, number)
  })
}

const decodeNumber = (...bytes: number[]): number => {
  const frame = Uint8Array.from([0x94, 0xcd, 0x07, 0xcf, 0, 7, 0x93, ...bytes, 0xc0, 0xc4, 0])
  return echo.request.decode(decodeRequestEnvelope(frame, requestFrameLimits).body, 0, 'EchoRequest').number
}
test('an integer in any form is accepted', () => {
  assert.equal(decodeNumber(0xd3, 0, 0, 0, 0, 0, 0, 0, 5), 5)
  assert.equal(decodeNumber(0xcf, 0, 0, 1, 0x99, 0xc8, 0x2c, 0xc0, 0x7b), 1_760_000_000_123)
  assert.equal(decodeNumber(0xd0, 0x80), -128)
  assert.equal(decodeNumber(0xd1, 0x80, 0), -32_768)
  assert.equal(decodeNumber(0xcb, 0x42, 0x79, 0x9c, 0x82, 0xcc, 0x07, 0xb0, 0), 1_760_000_000_123)
  assert.strictEqual(decodeNumber(0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0), 0)
})
const notInt64: ReadonlyArray<[name: string, bytes: number[]]> = [
  ['1.5', [0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]],
  ['NaN', [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]],
  ['infinity', [0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]],
  ['2^53', [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0]],
  ['2^53 + 1', [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 1]],
  ['-2^53', [0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 0]],
  ['2^64 - 1', [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ['a boolean', [0xc3]],
  ['text', [0xa1, 0x31]],
  ['nil', [0xc0]],
  ['an array', [0x90]],
]
for (const [name, bytes] of notInt64) {
  test(`${name} is no int64`, () => assert.throws(() => decodeNumber(...bytes), /EchoRequest\.number: expected int64/))
}

const deep = (depth: number): number[] => [...new Array<number>(depth - 1).fill(0x91), 0x90]
const refused: ReadonlyArray<[name: string, bytes: number[], says: RegExp]> = [
  ['nothing', [], /end of the frame/],
  ['a value behind the first', [0xc0, 0xc0], /nothing after/],
  ['an array that ends early', [0x92, 0], /length of at most the 1 bytes/],
  ['an array whose item has eaten the next one', [0x92, 0xa1, 0x61], /end of the frame/],
  ['an integer that ends early', [0xd3, 0, 0, 0], /end of the frame/],
  ['a length that ends early', [0xda, 0], /end of the frame/],
  ['a str longer than the frame', [0xa5, 0x61], /length of at most the 1 bytes/],
  ['a bin of 4 GiB', [0xc6, 0xff, 0xff, 0xff, 0xff, 0], /length of at most/],
  ['an array of 4 billion', [0xdd, 0xff, 0xff, 0xff, 0xff, 0], /length of at most/],
  ['an empty map', [0x80], /a map/],
  ['a map 16', [0xde, 0, 1, 0, 0], /a map/],
  ['a record definition (fixext 1)', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1], /extension/],
  ['a fixext 16', [0xd8, 0x70, ...new Array<number>(16).fill(0)], /extension/],
  ['a timestamp (fixext 4)', [0xd6, 0xff, 0, 0, 0, 0], /extension/],
  ['an ext 8', [0xc7, 1, 0x73, 0], /extension/],
  ['an ext 32', [0xc9, 0, 0, 0, 0, 0x73], /extension/],
  ['float32', [0xca, 0, 0, 0, 0], /another type/],
  ['the unused byte', [0xc1], /another type/],
  ['arrays too deep', deep(13), /at most 12 deep/],
  ['arrays a million deep', deep(1_000_000), /at most 12 deep/],
  ['a stray continuation', [0xa1, 0x80], /UTF-8/],
  ['an overlong slash', [0xa2, 0xc0, 0xaf], /UTF-8/],
  ['an overlong of three', [0xa3, 0xe0, 0x80, 0xaf], /UTF-8/],
  ['half a surrogate pair', [0xa3, 0xed, 0xa0, 0x80], /UTF-8/],
  ['beyond U+10FFFF', [0xa4, 0xf4, 0x90, 0x80, 0x80], /UTF-8/],
  ['a lead byte at the end', [0xa1, 0xe2], /UTF-8/],
  ['a character that reaches over the end of its str', [0x92, 0xa1, 0xc3, 0xa9], /UTF-8/],
]
for (const [name, frame, says] of refused) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => prescan(Uint8Array.from(frame), requestFrameLimits),
      error => error instanceof ProtocolError && says.test(error.message),
    )
  })
}

test('the deepest frame that is allowed', () => prescan(Uint8Array.from(deep(12)), requestFrameLimits))

test('the values of a frame are counted, wherever they are', () => {
  const small = { depthMax: 3, elementsMax: 10 }
  prescan(Uint8Array.from([0x93, 0x92, 1, 2, 0x92, 1, 2, 0x92, 1, 2]), small)
  assert.throws(
    () => prescan(Uint8Array.from([0x93, 0x92, 1, 2, 0x92, 1, 2, 0x93, 1, 2, 3]), small),
    /at most 10 values/,
  )
  // Each array alone is within the frame's bytes; together they would be a million million.
  const bomb = new Uint8Array(1_000_000)
  for (let at = 0; at < 40; at += 5) bomb.set([0xdd, 0, 0x0e, 0, 0], at)
  assert.throws(() => prescan(bomb, responseFrameLimits), /at most 4000000 values/)
})

test('well-formed text of every length of character', () => {
  for (const text of [
    '',
    'é',
    '€',
    '😀',
    '\u{10ffff}',
    '\ud7ff\ue000',
    'x'.repeat(70_000),
    `\ufeff${'x'.repeat(99)}`,
  ]) {
    assert.equal(unpack(pack(text), requestFrameLimits), text)
  }
})

const notRequests: ReadonlyArray<[name: string, frame: unknown, says: RegExp]> = [
  ['no array', 5, /frame: expected a request .*, found no array/],
  ['too few', [0, 0, 1], /found an array of 3/],
  ['too many', [0, 0, 1, [], 2], /found an array of 5/],
  ['a key that is text', ['0', 0, 1, []], /frame\.apiKey: expected int16/],
  ['a key beyond 16 bits', [40_000, 0, 1, []], /frame\.apiKey/],
  ['a version of 1.5', [0, 1.5, 1, []], /frame\.apiVersion/],
  ['a correlation beyond 32 bits', [0, 0, 2 ** 31, []], /frame\.correlationId/],
]
for (const [name, frame, says] of notRequests) {
  test(`no request: ${name}`, () => assert.throws(() => decodeRequestEnvelope(pack(frame), requestFrameLimits), says))
}
const notResponses: ReadonlyArray<[name: string, frame: unknown, says: RegExp]> = [
  ['a request', [0, 0, 1, []], /expected a response .*, found an array of 4/],
  ['an error whose message is a number', [1, 2, 3], /frame\.body: expected the message/],
  ['an error code of nil', [1, null, null], /frame\.errorCode/],
]
for (const [name, frame, says] of notResponses) {
  test(`no response: ${name}`, () =>
    assert.throws(() => decodeResponseEnvelope(pack(frame), responseFrameLimits), says))
}

test('large frames do not overwrite each other or small ones', () => {
  const request = (fill: number, size: number) => ({
    acks: 1,
    timeoutMs: 1,
    partitions: [
      {
        topic: 't',
        topicId: null,
        partition: 0,
        leaderEpoch: -1,
        sendEpoch: -1,
        records: new Uint8Array(size).fill(fill),
      },
    ],
  })
  const sizes = [10, 300, 70_000, 3_000_000, 20, 9_000, 1_100_000, 5]
  const frames = sizes.map((size, i) => encodeRequest(produce, 0, i, request(i, size)))
  frames.forEach((frame, i) => {
    const { body, correlationId } = decodeRequestEnvelope(frame, requestFrameLimits)
    const { partitions } = produce.request.decode(body, 0, 'ProduceRequest')
    assert.equal(correlationId, i)
    assert.deepEqual(Buffer.from(partitions[0]!.records as Uint8Array), Buffer.alloc(sizes[i]!, i))
  })
})

test('a schema’s lists cannot ask for more than a frame holds', () => {
  const list = struct({ items: field(array(struct({}), { countMax: 3 }), '') })
  assert.throws(() => list.decode([[[], [], [], []]], 0, 'List'), /List\.items: expected at most 3 items, found 4/)
})

test('a request in parts is the same bytes, and its large values are the very ones of the body', () => {
  const sizes = [0, 100, 4_095, 4_096, 70_000]
  for (const first of sizes) {
    for (const second of sizes) {
      const item = { topic: 't', topicId: null, partition: 0, leaderEpoch: -1, sendEpoch: 3 }
      const partitions = [first, second].map(size => ({ ...item, records: new Uint8Array(size).fill(size) }))
      const body = { acks: 1, timeoutMs: 1, partitions }
      const parts = encodeRequestInParts(produce, 1, 7, body)
      assert.deepEqual(Buffer.concat(parts), Buffer.from(encodeRequest(produce, 1, 7, body)))
      const large = body.partitions.map(({ records }) => records).filter(({ length }) => length >= 4_096)
      for (const records of large) assert.ok(parts.some(part => part === records))
      // With its head a value a little smaller is a part of its own too.
      const alone = [first, second].filter(size => size >= 4_093)
      assert.ok(parts.length <= 2 * alone.length + 1)
    }
  }
})
