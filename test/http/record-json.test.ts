/** Records from JSON and back: every row of what a body may say, and that reading and posting again gives the same bytes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type PostedRecord, parseRecords } from '../../src/http/rest/record-json.ts'
import { recordText, valueFormats } from '../../src/http/rest/record-text.ts'
import type { DecodedRecord } from '../../src/protocol/batch/types.ts'
import { ApiError } from '../../src/protocol/errors.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString())

function parse(body: string) {
  const { isSingle, records } = parseRecords(encode(body))
  return {
    isSingle,
    records: records.map(({ key, value, headers, ...rest }) => ({
      ...rest,
      key: text(key),
      value: text(value),
      headers: headers.map(header => [header.name, text(header.value)]),
    })),
  }
}

const plain = { partition: null, timestamp: null, key: null, headers: [] }

test('one record: what each kind of value is stored as', () => {
  const rows: ReadonlyArray<[string, string | null]> = [
    ['"text"', 'text'],
    ['"line\\nfeed \\u00e9"', 'line\nfeed é'],
    ['""', ''],
    ['null', null],
    ['12345678901234567890', '12345678901234567890'],
    ['-0.10', '-0.10'],
    ['true', 'true'],
    ['{"b": 1,  "a" : [ 2 ]}', '{"b": 1,  "a" : [ 2 ]}'],
    [' [ ] ', '[ ]'],
    ['{"a":1,"a":2,"__proto__":3}', '{"a":1,"a":2,"__proto__":3}'],
  ]
  for (const [json, value] of rows) {
    assert.deepEqual(parse(`{"value":${json}}`), { isSingle: true, records: [{ ...plain, value }] })
    assert.deepEqual(parse(`{"key":${json},"value":1}`).records, [{ ...plain, key: value, value: '1' }])
  }
})

test('one record: bytes, headers, partition, timestamp', () => {
  const record = {
    keyBase64: 'AAH/',
    valueBase64: '',
    headers: [
      { name: 'a', value: 'x' },
      { name: 'a', value: null },
      { name: 'b', valueBase64: '_'.replace('_', '/w==') },
    ],
    partition: 7,
    timestamp: 1_700_000_000_000,
  }
  const [parsed] = parseRecords(encode(JSON.stringify(record))).records as [PostedRecord]
  assert.deepEqual(Buffer.from(parsed.key!), Buffer.from([0, 1, 255]))
  assert.equal(parsed.value!.length, 0)
  assert.deepEqual(
    parsed.headers.map(({ name, value }) => [name, value === null ? null : [...value]]),
    [
      ['a', [0x78]],
      ['a', null],
      ['b', [255]],
    ],
  )
  assert.equal(parsed.partition, 7)
  assert.equal(parsed.timestamp, 1_700_000_000_000)
  const asObject = parse('{"value":1,"headers":{"trace":"1","":"2"},"partition":null,"timestamp":null,"key":null}')
  assert.deepEqual(asObject.records, [
    {
      ...plain,
      value: '1',
      headers: [
        ['trace', '1'],
        ['', '2'],
      ],
    },
  ])
})

test('several records keep their order, and an answer is about several even when there is one', () => {
  const { isSingle, records } = parse('{"records":[{"value":1},{"value":"b","partition":2}]}')
  assert.equal(isSingle, false)
  assert.deepEqual(records, [
    { ...plain, value: '1' },
    { ...plain, partition: 2, value: 'b' },
  ])
  assert.equal(parse('{"records":[{"value":1}]}').isSingle, false)
})

test('what is refused, and that the message says where', () => {
  const rows: ReadonlyArray<[string, string, RegExp]> = [
    ['', 'INVALID_REQUEST', /the end, expected an object/],
    ['[]', 'INVALID_REQUEST', /byte 0, expected an object/],
    ['{"value":1', 'INVALID_REQUEST', /expected "," or "}"/],
    ['{"value":1}x', 'INVALID_REQUEST', /byte 11, expected nothing behind/],
    ['{}', 'INVALID_RECORD', /the record: value is missing/],
    ['{"key":"k"}', 'INVALID_RECORD', /value is missing/],
    ['{"valeu":1}', 'INVALID_RECORD', /no field valeu/],
    ['{"value":1,"value":2}', 'INVALID_RECORD', /value is there twice/],
    ['{"value":1,"valueBase64":"AA=="}', 'INVALID_RECORD', /value is there twice/],
    ['{"records":[]}', 'INVALID_RECORD', /no records/],
    ['{"records":{}}', 'INVALID_REQUEST', /an array/],
    ['{"records":[1]}', 'INVALID_REQUEST', /an object/],
    ['{"records":[{"value":1},{}]}', 'INVALID_RECORD', /records\[1\]: value is missing/],
    ['{"records":[{"value":1}],"records":[{"value":1}]}', 'INVALID_REQUEST', /twice/],
    ['{"records":[{"value":1}],"value":1}', 'INVALID_REQUEST', /no other field/],
    ['{"valueBase64":1}', 'INVALID_RECORD', /valueBase64 is a string/],
    ['{"valueBase64":"A"}', 'INVALID_RECORD', /not base64/],
    ['{"valueBase64":"A-_="}', 'INVALID_RECORD', /not base64/],
    ['{"valueBase64":"AA==AA=="}', 'INVALID_RECORD', /not base64/],
    ['{"value":1,"partition":-1}', 'INVALID_RECORD', /partition is a whole number/],
    ['{"value":1,"partition":1.5}', 'INVALID_RECORD', /partition is a whole number/],
    ['{"value":1,"timestamp":"1"}', 'INVALID_RECORD', /timestamp is a whole number/],
    ['{"value":1,"timestamp":9007199254740993}', 'INVALID_RECORD', /timestamp is a whole number/],
    ['{"value":1,"headers":1}', 'INVALID_RECORD', /headers is an object or an array/],
    ['{"value":1,"headers":{"a":1}}', 'INVALID_RECORD', /the value of a header is a string/],
    ['{"value":1,"headers":[{"name":"a"}]}', 'INVALID_RECORD', /a name and a value/],
    ['{"value":1,"headers":[{"name":"a","value":1}]}', 'INVALID_RECORD', /string or null/],
    ['{"value":1,"headers":[{"name":"a","value":"1","value":"2"}]}', 'INVALID_RECORD', /a header is/],
    ['{"value":1,"headers":[{"name":"a","vlaue":"1"}]}', 'INVALID_RECORD', /a header is/],
    ['{"value":"\\ud800"}', 'INVALID_REQUEST', /surrogate/],
  ]
  for (const [body, code, message] of rows) {
    assert.throws(
      () => parse(body),
      (error: unknown) => error instanceof ApiError && error.code === code && message.test(error.message),
      body,
    )
  }
  assert.throws(() => parseRecords(Uint8Array.of(0x22, 0xff, 0x22)), /not UTF-8/)
  const headers = Array.from({ length: 1_001 }, (_, i) => `"h${i}":""`).join()
  assert.throws(() => parse(`{"value":1,"headers":{${headers}}}`), /at most 1000 headers/)
  assert.throws(() => parse(`{"records":[${Array(10_001).fill('{"value":1}').join()}]}`), /at most 10000 records/)
})

test('any body ends in records or in an error of the protocol', () => {
  const field = fc.constantFrom(
    'value',
    'key',
    'valueBase64',
    'keyBase64',
    'headers',
    'partition',
    'timestamp',
    'records',
    'x',
  )
  const body = fc.oneof(
    fc.string(),
    fc.json(),
    fc.dictionary(field, fc.jsonValue()).map(object => JSON.stringify(object)),
    fc.array(fc.dictionary(field, fc.jsonValue())).map(records => JSON.stringify({ records })),
  )
  fc.assert(
    fc.property(body, text => {
      try {
        for (const { value, headers } of parseRecords(encode(text)).records) {
          assert.ok(value === null || value instanceof Uint8Array)
          assert.ok(Array.isArray(headers))
        }
      } catch (error) {
        assert.ok(error instanceof ApiError && ['INVALID_REQUEST', 'INVALID_RECORD'].includes(error.code))
      }
    }),
    { numRuns: 1_000 },
  )
})

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 30 }),
  fc.string().map(encode),
  fc.json({ maxDepth: 3 }).map(encode),
  fc.constantFrom('null', '"text"', ' 5 ', '5 5', '{}', 'true', '').map(encode),
)
const record: fc.Arbitrary<DecodedRecord> = fc.record({
  offset: fc.nat(),
  timestamp: fc.nat(),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.array(fc.record({ name: fc.string({ unit: 'grapheme' }), value: fc.option(bytes) }), { maxLength: 3 }),
})

test('a record that was read and is posted again is the same bytes, in every format', () => {
  fc.assert(
    fc.property(record, fc.constantFrom(...valueFormats), (original, format) => {
      const text = recordText(original, format)
      const { offset, ...fields } = JSON.parse(text) as Record<string, unknown>
      assert.equal(offset, original.offset)
      assert.equal(fields.timestamp, original.timestamp)
      // As text, so that no value goes through JSON.parse.
      const posted = text.replace(/^\{"offset":\d+,/, '{')
      const [again] = parseRecords(encode(posted)).records as [PostedRecord]
      const content = ({ key, value, headers }: Pick<PostedRecord, 'key' | 'value' | 'headers'>) =>
        [key, value, ...headers.flatMap(header => [encode(header.name), header.value])].map(part =>
          part === null ? null : [...part],
        )
      assert.deepEqual(content(again), content(original))
    }),
    { numRuns: 1_000 },
  )
})

test('which values stand as they are, and which are strings', () => {
  const valueFields = (value: string | Uint8Array, format: (typeof valueFormats)[number] = 'json'): unknown => {
    const whole = {
      offset: 1,
      timestamp: 2,
      key: null,
      headers: [],
      value: typeof value === 'string' ? encode(value) : value,
    }
    const { offset, timestamp, key, headers, ...fields } = JSON.parse(recordText(whole, format)) as Record<
      string,
      unknown
    >
    return fields
  }
  assert.deepEqual(valueFields('{"a":1}'), { value: { a: 1 } })
  assert.deepEqual(valueFields('[1]'), { value: [1] })
  assert.deepEqual(valueFields('5'), { value: 5 })
  assert.deepEqual(valueFields('false'), { value: false })
  assert.deepEqual(valueFields('null'), { value: 'null' })
  assert.deepEqual(valueFields('"q"'), { value: '"q"' })
  assert.deepEqual(valueFields('plain'), { value: 'plain' })
  assert.deepEqual(valueFields('{broken'), { value: '{broken' })
  assert.deepEqual(valueFields(Uint8Array.of(255)), { valueBase64: '/w==' })
  assert.deepEqual(valueFields('{"a":1}', 'text'), { value: '{"a":1}' })
  assert.deepEqual(valueFields('a', 'base64'), { valueBase64: 'YQ==' })
})
