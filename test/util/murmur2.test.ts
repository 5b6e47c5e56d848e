import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import fc from 'fast-check'
import { murmur2, murmur2Text, partitionForKey } from '../../src/util/murmur2.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

test('murmur2: the answers Kafka expects of itself (UtilsTest)', () => {
  const known: Array<[string, number]> = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  for (const [text, hash] of known) {
    assert.equal(murmur2(encode(text)), hash, text)
    assert.equal(murmur2Text(text), hash, text)
  }
})

test('murmur2: text and its UTF-8 hash alike', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), text => {
      assert.equal(murmur2Text(text), murmur2(encode(text)))
    }),
  )
})

test('murmur2: the partition of a key is that of kafkajs, which is that of Kafka', () => {
  const require = createRequire(import.meta.url)
  const theirs = require('kafkajs/src/producer/partitioners/default/murmur2.js') as (key: Buffer) => number
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.integer({ min: 1, max: 1000 }), (key, count) => {
      const expected = (theirs(Buffer.from(key)) & 0x7fffffff) % count
      assert.equal(partitionForKey(key, count), expected)
    }),
  )
})
