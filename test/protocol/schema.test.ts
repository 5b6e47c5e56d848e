/** Every API's schema: round trips of arbitrary bodies through real frames, consistency, and what errors say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Api } from '../../src/protocol/api.ts'
import { apis, peerApis } from '../../src/protocol/apis/index.ts'
import {
  decodeRequestEnvelope,
  decodeResponseEnvelope,
  encodeRequest,
  encodeResponse,
} from '../../src/protocol/frame.ts'
import { requestFrameLimits, responseFrameLimits } from '../../src/protocol/prescan.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import {
  array,
  boolean,
  clipText,
  field,
  int16,
  int32,
  nullable,
  oneOf,
  prose,
  string,
  struct,
  type Type,
} from '../../src/protocol/schema.ts'
import { joinBytes } from '../../src/util/bytes.ts'
import { arbitraryOf } from './arbitrary.ts'

test('there are APIs, and no two share a key or a name', () => {
  assert(apis.length > 0)
  assert.equal(new Set(apis.map(api => api.key)).size, apis.length)
  assert.equal(new Set(apis.map(api => api.name)).size, apis.length)
})

for (const api of [...apis, ...peerApis] as readonly Api[]) {
  for (let version = api.versionMin; version <= api.versionMax; version++) {
    test(`${api.name} v${version}: any body comes back as it was`, () => {
      fc.assert(
        fc.property(arbitraryOf(api.request, version), arbitraryOf(api.response, version), (request, response) => {
          const envelope = decodeRequestEnvelope(encodeRequest(api, version, 9, request), requestFrameLimits)
          assert.deepEqual([envelope.apiKey, envelope.apiVersion, envelope.correlationId], [api.key, version, 9])
          assert.deepEqual(plain(api.request.decode(envelope.body, version, api.name)), plain(request))
          const answer = decodeResponseEnvelope(
            joinBytes(encodeResponse(api, version, 9, response)),
            responseFrameLimits,
          )
          assert.equal(answer.errorCode, 0)
          assert.deepEqual(plain(api.response.decode(answer.body, version, api.name)), plain(response))
        }),
      )
    })
  }

  test(`${api.name}: the scan's depth is enough, every field is documented, later fields have a default`, () => {
    const depthMax = Math.min(requestFrameLimits.depthMax, responseFrameLimits.depthMax)
    assert(1 + depthOf(api.request) <= depthMax)
    assert(1 + depthOf(api.response) <= depthMax)
    assert(api.doc.length > 0)
    for (const type of [api.request, api.response]) {
      for (const [name, f] of fieldsOf(type)) {
        assert(f.doc.length > 0, `${name} has no doc`)
        assert(f.since === 0 || f.whenAbsent !== undefined, `${name} has no default for older peers`)
      }
    }
  })
}

/** Node hands out Buffers where a plain Uint8Array went in. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, plain(v)]))
}

function children(type: Type<unknown>): Array<Type<unknown>> {
  const { shape } = type
  if (shape.kind === 'struct') return Object.values(shape.fields).map(f => f.type as Type<unknown>)
  if (shape.kind === 'array') return [shape.item]
  if (shape.kind === 'nullable') return [shape.inner]
  return shape.kind === 'either' ? [shape.first, shape.second] : []
}

function depthOf(type: Type<unknown>): number {
  const isArray = type.shape.kind === 'struct' || type.shape.kind === 'array'
  return (isArray ? 1 : 0) + Math.max(0, ...children(type).map(depthOf))
}

function fieldsOf(type: Type<unknown>): Array<[string, { doc: string; since: number; whenAbsent: unknown }]> {
  const own = type.shape.kind === 'struct' ? Object.entries(type.shape.fields) : []
  return [...own, ...children(type).flatMap(fieldsOf)]
}

const inner = struct({ name: field(string({ lengthMax: 5 }), 'd'), size: field(int16, 'd') })
const outer = struct({
  flag: field(boolean, 'd'),
  items: field(array(inner, { countMax: 2 }), 'd'),
  extra: field(nullable(int32), 'd', { since: 1, whenAbsent: -1 }),
  kind: field(oneOf('a', 'b'), 'd'),
})

const refused: ReadonlyArray<[name: string, wire: unknown, says: string]> = [
  ['no array', 7, 'Outer: expected an array (struct), found 7'],
  ['nil', null, 'Outer: expected an array (struct), found nil'],
  ['a field missing', [true, []], "Outer: expected field 'kind' as item 2, found an array of 2"],
  ['a field too many', [true, [], 'a', 1], 'Outer: expected an array of 3 (one per field), found an array of 4'],
  ['a wrong type', [1, [], 'a'], 'Outer.flag: expected boolean, found 1'],
  ['a wrong choice', [true, [], 'secret'], "Outer.kind: expected 'a' | 'b', found a string of 6"],
  ['no list', [true, 'x', 'a'], 'Outer.items: expected an array, found a string of 1'],
  ['too long a list', [true, [1, 2, 3], 'a'], 'Outer.items: expected at most 2 items, found 3'],
  [
    'a wrong item',
    [
      true,
      [
        ['x', 1],
        ['y', 40_000],
      ],
      'a',
    ],
    'Outer.items.size: expected int16, found 40000',
  ],
  ['too long a text', [true, [['abcdef', 1]], 'a'], 'Outer.items.name: expected string(≤5), found a string of 6'],
  ['an empty item', [true, [[]], 'a'], "Outer.items: expected field 'name' as item 0, found an array of 0"],
]
for (const [name, wire, says] of refused) {
  test(`decoding refuses ${name}, and says where`, () => {
    assert.throws(
      () => outer.decode(wire, 0, 'Outer'),
      error => {
        assert(error instanceof ProtocolError)
        assert.equal(error.message, says)
        assert(says.endsWith(`found ${error.found}`))
        return true
      },
    )
  })
}

test('struct({}) is an empty array', () => {
  assert.deepEqual(struct({}).encode({}, 0), [])
  assert.deepEqual(struct({}).decode([], 0, 'Nothing'), {})
  assert.throws(() => struct({}).decode([1], 0, 'Nothing'), /an array of 0/)
  assert.throws(() => struct({}).decode(null, 0, 'Nothing'), ProtocolError)
})

test('an older peer neither sends nor gets a later field', () => {
  const value = { flag: true, items: [], extra: 5, kind: 'a' as const }
  assert.deepEqual(outer.encode(value, 1), [true, [], 5, 'a'])
  assert.deepEqual(outer.encode(value, 0), [true, [], 'a'])
  assert.deepEqual(outer.decode([true, [], 'a'], 0, 'Outer'), { ...value, extra: -1 })
  assert.deepEqual(outer.decode([true, [], null, 'a'], 1, 'Outer'), { ...value, extra: null })
})

test('encoding refuses a caller’s mistakes, and says where', () => {
  const value = { flag: true, items: [{ name: 'x', size: 1.5 }], extra: null, kind: 'a' as const }
  assert.throws(
    () => outer.encode(value, 0, 'Outer'),
    /^ProtocolError: Outer\.items\.size: expected int16, found 1\.5$/,
  )
  const text = { ...value, items: [{ name: '\ud800', size: 1 }] }
  assert.throws(() => outer.encode(text, 0, 'Outer'), /Outer\.items\.name: expected well-formed text/)
  assert.throws(() => outer.encode({} as never, 0, 'Outer'), /Outer\.flag: expected boolean, found undefined/)
  assert.throws(() => outer.encode(null as never, 0, 'Outer'), /Outer: expected an object \(struct\), found nil/)
})

test('a property name on the wire never becomes one of ours', () => {
  const odd = struct({ map: field(string({ lengthMax: 20 }), 'd') })
  assert.deepEqual(odd.decode(['__proto__'], 0, 'Odd'), { map: '__proto__' })
})

test('prose is cut and mended by the sender, and bounded for the receiver', () => {
  const type = prose({ lengthMax: 4 })
  assert.equal(type.encode('abcdef', 0), 'abcd')
  assert.equal(type.encode('abc😀', 0), 'abc\ufffd')
  assert.throws(() => type.decode('abcde', 0, 'message'), ProtocolError)
  assert.equal(clipText('a😀', 10), 'a😀')
})
