import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type MetadataRecord, recordTypeByKind, recordTypes } from '../../src/metadata/record-types.ts'
import { decodeEntry, decodeRecord, encodeEntry, encodeRecord } from '../../src/metadata/records.ts'
import { pack } from '../../src/protocol/msgpack.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import type { Type } from '../../src/protocol/schema.ts'
import { runs } from '../support/depth.ts'

/** Any value of a schema: so every kind of record is covered, also those to come. */
function anyOf(type: Type<unknown>): fc.Arbitrary<unknown> {
  const { shape } = type
  switch (shape.kind) {
    case 'struct':
      return fc.record(Object.fromEntries(Object.entries(shape.fields).map(([key, f]) => [key, anyOf(f.type)])))
    case 'array':
      return fc.array(anyOf(shape.item), { maxLength: Math.min(3, shape.countMax) })
    case 'nullable':
      return fc.option(anyOf(shape.inner))
    case 'either':
      return anyOf(shape.first)
    case 'string':
      return fc.string({ maxLength: Math.min(20, shape.lengthMax) })
    case 'bytes':
      return fc.uint8Array({ maxLength: 20 })
    case 'integer':
      return fc.maxSafeInteger().map(n => Math.min(shape.max, Math.max(shape.min, n)))
    case 'oneOf':
      return fc.constantFrom(...shape.values)
    case 'boolean':
      return fc.boolean()
    default:
      return fc.double({ noNaN: true })
  }
}

const kinds = Object.keys(recordTypes) as MetadataRecord['kind'][]
const anyRecord = fc
  .constantFrom(...kinds)
  .chain(kind =>
    anyOf(recordTypeByKind(kind).body).map(body => ({ ...(body as object), kind }) as unknown as MetadataRecord),
  )

test('every kind of record comes back from its bytes as it was', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 5 }), fc.nat(), (records, baseOffset) => {
      const entry = decodeEntry(encodeEntry({ baseOffset, records }))
      assert.deepEqual(
        { ...entry, records: entry.records.map(comparable) },
        { baseOffset, records: records.map(comparable) },
      )
    }),
    { numRuns: runs(500) },
  )
})

/** Bytes as numbers: a Buffer and a Uint8Array of the same bytes are the same value. */
function comparable(record: MetadataRecord): unknown {
  return record.kind === 'session' ? { ...record, response: [...record.response] } : record
}

test('codes are distinct and stay what they are: they are on disk', () => {
  assert.deepEqual(Object.fromEntries(Object.entries(recordTypes).map(([kind, { code }]) => [kind, code])), {
    bootstrap: 1,
    registerBroker: 2,
    unregisterBroker: 3,
    brokerChange: 4,
    topic: 5,
    removeTopic: 6,
    partition: 7,
    partitionChange: 8,
    config: 9,
    featureLevel: 10,
    session: 11,
  })
})

const refused: [what: string, wire: unknown, message: RegExp][] = [
  ['an unknown kind', [99, 0, []], /MetadataRecord\.code.*99/],
  ['an unknown version', [5, 7, ['id', 'name']], /topic\.version.*7/],
  ['a negative version', [5, -1, ['id', 'name']], /topic\.version.*-1/],
  ['a field of the wrong type', [5, 0, ['id', 5]], /topic\.name/],
  ['a body with a field missing', [5, 0, ['id']], /topic/],
  ['a body with a field too many', [5, 0, ['id', 'name', 1]], /topic/],
  ['a record that is no array', 'topic', /MetadataRecord/],
]
for (const [what, wire, message] of refused) {
  test(`${what} is an error that names itself`, () => {
    assert.throws(
      () => decodeRecord(wire),
      error => error instanceof ProtocolError && message.test(error.message),
    )
  })
}

test('entries of another format or shape are refused', () => {
  for (const wire of [[2, 0, []], [1, -1, []], [1, 0, 'records'], [1, 0], 7, [1, 0.5, []]]) {
    assert.throws(() => decodeEntry(pack(wire)), ProtocolError)
  }
  assert.throws(() => decodeEntry(Uint8Array.of(0xc1)), ProtocolError)
})

test('what could not be read back is not written', () => {
  const name = 'x'.repeat(250)
  assert.throws(() => encodeRecord({ kind: 'topic', topicId: 'id', name }), ProtocolError)
})
