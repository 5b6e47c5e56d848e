import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pack, unpack } from '../../src/protocol/msgpack.ts'
import { responseFrameLimits } from '../../src/protocol/prescan.ts'

test('msgpack: long text is packed after a large frame as before it', () => {
  const text = ['x'.repeat(500), 'ü'.repeat(100)]
  const before = pack(text)
  pack([new Uint8Array(2 * 1024 * 1024)])
  assert.deepEqual(pack(text), before)
  assert.deepEqual(unpack(pack(text), responseFrameLimits), text)
})

test('msgpack: bins of every size and their neighbours come back, in frames no larger than needed', () => {
  for (const sizeBytes of [0, 1, 255, 256, 4_095, 4_096, 65_535, 65_536, 1_000_000]) {
    const bin = new Uint8Array(sizeBytes).fill(sizeBytes)
    const frame = [7, 0, [['a', [bin, null, true]], ['b', [bin.slice(0, 10), -1]], bin], 'end']
    const bytes = pack(frame)
    assert.deepEqual(plain(unpack(bytes, responseFrameLimits)), plain(frame))
    assert.ok(bytes.length <= 2 * sizeBytes + 64, `${bytes.length} bytes for two bins of ${sizeBytes}`)
  }
  const many = [new Uint8Array(5_000), Array.from({ length: 70_000 }, () => 1)]
  assert.deepEqual(plain(unpack(pack(many), { ...responseFrameLimits, elementsMax: 100_000 })), plain(many))
})

/** Buffers and Uint8Arrays of the same bytes are the same here. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value
}
