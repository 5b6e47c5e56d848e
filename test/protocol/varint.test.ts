/** Zigzag varints: exact bytes, the borders of every length, and what is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { VarintReader, varintSize, varlongSize, writeVarint, writeVarlong } from '../../src/protocol/batch/varint.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import { runs } from '../support/depth.ts'

/** As the Protocol Buffers documentation defines zigzag and base-128, over BigInt. */
function oracle(value: number): number[] {
  let z = value < 0 ? -2n * BigInt(value) - 1n : 2n * BigInt(value)
  const bytes: number[] = []
  for (; z >= 0x80n; z >>= 7n) bytes.push(Number(z & 0x7fn) | 0x80)
  return [...bytes, Number(z)]
}

const written = (write: typeof writeVarint, value: number): number[] => {
  const bytes = new Uint8Array(10)
  return [...bytes.subarray(0, write(bytes, 0, value))]
}
const reading = (...bytes: number[]): VarintReader => new VarintReader(Uint8Array.from(bytes), 0, bytes.length)

const int32s = [
  0,
  -1,
  1,
  -64,
  63,
  64,
  -65,
  8191,
  -8192,
  8192,
  1_048_575,
  1_048_576,
  134_217_727,
  134_217_728,
  2 ** 31 - 1,
  -(2 ** 31),
]
const int64s = [
  ...int32s,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 32,
  2 ** 34 - 1,
  2 ** 34,
  2 ** 41,
  2 ** 48 - 1,
  2 ** 52,
  -(2 ** 52) - 1,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
]

for (const value of int32s) {
  test(`varint ${value}: bytes, size, back`, () => {
    assert.deepEqual(written(writeVarint, value), oracle(value))
    assert.equal(varintSize(value), oracle(value).length)
    assert.equal(reading(...oracle(value)).readVarint(), value)
  })
}
for (const value of int64s) {
  test(`varlong ${value}: bytes, size, back`, () => {
    assert.deepEqual(written(writeVarlong, value), oracle(value))
    assert.equal(varlongSize(value), oracle(value).length)
    assert.equal(reading(...oracle(value)).readVarlong(), value)
  })
}

test('varint and varlong: any value', () => {
  fc.assert(
    fc.property(fc.integer(), fc.maxSafeInteger(), (small, large) => {
      assert.deepEqual(written(writeVarint, small), oracle(small))
      assert.equal(reading(...oracle(small)).readVarint(), small)
      assert.deepEqual(written(writeVarlong, large), oracle(large))
      assert.equal(varlongSize(large), oracle(large).length)
      assert.equal(reading(...oracle(large)).readVarlong(), large)
    }),
    { numRuns: runs(2000) },
  )
})

const refused: ReadonlyArray<[name: string, read: () => number]> = [
  ['a varint that ends early', () => reading(0x80, 0x80).readVarint()],
  ['an empty varint', () => reading().readVarint()],
  ['a varint of 6 bytes', () => reading(0x80, 0x80, 0x80, 0x80, 0x80, 0x01).readVarint()],
  ['a varint of 33 bits', () => reading(0x80, 0x80, 0x80, 0x80, 0x10).readVarint()],
  ['a varlong that ends early', () => reading(0x80).readVarlong()],
  ['a varlong of 11 bytes', () => reading(...new Array<number>(10).fill(0x80), 0x01).readVarlong()],
  ['a varlong of 2^53', () => reading(...oracle(2 ** 53)).readVarlong()],
  ['a varlong of -2^53', () => reading(...oracle(-(2 ** 53))).readVarlong()],
  ['a varlong of 2^63 - 1', () => reading(0xfe, ...new Array<number>(8).fill(0xff), 0x01).readVarlong()],
]
for (const [name, read] of refused) test(`${name} is refused`, () => assert.throws(read, ProtocolError))

test('longer encodings than needed are read, as Kafka does', () => {
  assert.equal(reading(0x82, 0x80, 0x00).readVarint(), 1)
  assert.equal(reading(0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00).readVarlong(), -1)
})
