import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pack, unpack } from '../../src/protocol/msgpack.ts'
import { responseFrameLimits } from '../../src/protocol/prescan.ts'

test('msgpack: long text is packed after a large frame as before it', () => {
  const text = ['x'.repeat(500), 'ü'.repeat(100)]
  const before = pack(text)
  // Behind this one the packer starts afresh.
  pack([new Uint8Array(2 * 1024 * 1024)])
  assert.deepEqual(pack(text), before)
  assert.deepEqual(unpack(pack(text), responseFrameLimits), text)
})
