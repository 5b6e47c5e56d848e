/** The strict reader against `JSON.parse`: it takes what that takes, refuses what that refuses, and leaves bytes alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonScan, jsonDepthMax, jsonKindOf } from '../../src/http/rest/json-scan.ts'
import { ApiError } from '../../src/protocol/errors.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)

function kindByParse(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text)
    return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
  } catch {
    return null
  }
}

const known: ReadonlyArray<[string, string | null]> = [
  ['', null],
  [' ', null],
  ['{}', 'object'],
  [' [ ] ', 'array'],
  ['[1,]', null],
  ['[,1]', null],
  ['[1 2]', null],
  ['[1}', null],
  ['{"a":1]', null],
  ['{"a"}', null],
  ['{"a":}', null],
  ['{"a":1,}', null],
  ['{a:1}', null],
  ['{1:1}', null],
  ['{"a":{"b":[{}, [[]], "x"]}}', 'object'],
  ['0', 'number'],
  ['-0', 'number'],
  ['01', null],
  ['-', null],
  ['+1', null],
  ['1.', null],
  ['.5', null],
  ['1e', null],
  ['1e+', null],
  ['1E-07', 'number'],
  ['1.5e300', 'number'],
  ['12345678901234567890123', 'number'],
  ['true', 'boolean'],
  ['tru', null],
  ['truex', null],
  ['false', 'boolean'],
  ['null', 'null'],
  ['nul', null],
  ['NaN', null],
  ['"', null],
  ['"\\"', null],
  ['"\\u12"', null],
  ['"\\u12G4"', null],
  ['"\\x41"', null],
  ['"\t"', null],
  ['"\\t\\u0041\\/"', 'string'],
  ['"é😀"', 'string'],
  ['"a" "b"', null],
  ['[] []', null],
  ['\ufeff1', null],
  ['\v1', null],
  ['1\0', null],
  ["'a'", null],
  ['[1] // c', null],
]

test('every row: which value a text is, or that it is none', () => {
  for (const [text, kind] of known) {
    assert.equal(jsonKindOf(encode(text)), kind, JSON.stringify(text))
    assert.equal(kindByParse(text), kind, `JSON.parse of ${JSON.stringify(text)}`)
  }
})

test('what JSON.stringify writes is taken, with any white space between the tokens', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'), (text, space) => {
      const spaced = JSON.stringify(JSON.parse(text), null, space)
      assert.equal(jsonKindOf(encode(spaced)), kindByParse(spaced))
    }),
  )
})

test('texts that are nearly JSON are taken or refused as JSON.parse does', () => {
  const token = fc.constantFrom(
    ...'{}[],:"\\0123456789-+.eEtrufalsn \n\t'.split(''),
    'true',
    'null',
    '"a"',
    '\\u00',
    '"b":',
  )
  const damaged = fc
    .tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.nat(3), token)
    .map(
      ([text, at, cut, put]) =>
        text.slice(0, at % (text.length + 1)) + put + text.slice((at % (text.length + 1)) + cut),
    )
  fc.assert(
    fc.property(
      fc.oneof(
        damaged,
        fc.array(token, { maxLength: 12 }).map(tokens => tokens.join('')),
      ),
      text => {
        // Half of a surrogate pair would be another text once it is UTF-8.
        fc.pre(decode(encode(text)) === text)
        assert.equal(jsonKindOf(encode(text)), kindByParse(text), JSON.stringify(text))
      },
    ),
    { numRuns: 3_000 },
  )
})

test('strings are the texts that JSON.parse reads, and values are the bytes that were sent', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.json({ maxDepth: 4 }), fc.boolean(), (text, json, escapes) => {
      const quoted = escapes
        ? `"${[...text]
            .map(char =>
              char
                .split('')
                .map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
                .join(''),
            )
            .join('')}"`
        : JSON.stringify(text)
      const scan = new JsonScan(encode(`[ ${quoted} , ${json} ]`))
      const seen: unknown[] = []
      scan.readArray(index => seen.push(index === 0 ? scan.readString() : decode(scan.readRaw().bytes)))
      scan.expectEnd()
      assert.deepEqual(seen, [text, json])
    }),
  )
})

test('a string without escapes is a view, one with escapes is not; half of a surrogate pair is refused', () => {
  const body = encode('["plain","a\\nb"]')
  const scan = new JsonScan(body)
  const texts: Uint8Array[] = []
  scan.readArray(() => texts.push(scan.readText()))
  assert.deepEqual(texts.map(decode), ['plain', 'a\nb'])
  assert.equal(texts[0]!.buffer, body.buffer)
  for (const half of ['"\\ud800"', '"x\\udc00"', '"\\udc00\\ud800"']) {
    assert.throws(() => new JsonScan(encode(half)).readText(), { code: 'INVALID_REQUEST' })
  }
  assert.equal(new JsonScan(encode('"\\ud83d\\ude00"')).readString(), '😀')
})

test('depth has a limit, and reaching it costs no stack', () => {
  const nested = (depth: number): Uint8Array => encode('['.repeat(depth) + ']'.repeat(depth))
  assert.equal(jsonKindOf(nested(jsonDepthMax)), 'array')
  assert.equal(jsonKindOf(nested(jsonDepthMax + 1)), null)
  assert.equal(jsonKindOf(encode('['.repeat(1_000_000))), null)
  assert.equal(jsonKindOf(encode('{"a":'.repeat(1_000_000))), null)
  assert.equal(jsonKindOf(encode(`${'{"a":'.repeat(jsonDepthMax)}1${'}'.repeat(jsonDepthMax)}`)), 'object')
})

test('random bytes end in a value or in an error of the protocol', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
      try {
        new JsonScan(bytes).readRaw()
      } catch (error) {
        assert.ok(error instanceof ApiError && error.code === 'INVALID_REQUEST')
      }
    }),
  )
})
