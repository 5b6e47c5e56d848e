/** CRC-32C against the vectors of RFC 3720 B.4, and the rule that a wrong native one is not taken. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32c, installNativeCrc32c, tableCrc32c } from '../../src/util/crc32c.ts'
import { AssertionError } from '../../src/util/errors.ts'

/** "An iSCSI - SCSI Read (10) Command PDU". */
const iscsiRead = Uint8Array.from([
  0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
  0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
])
const vectors: ReadonlyArray<[name: string, bytes: Uint8Array, crc: number]> = [
  ['nothing', new Uint8Array(0), 0],
  ['32 bytes of zeroes', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 bytes rising', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ['32 bytes falling', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ['an iSCSI read', iscsiRead, 0xd9963a56],
  ['123456789', new TextEncoder().encode('123456789'), 0xe3069283],
]

for (const [name, bytes, crc] of vectors) {
  test(`crc32c: ${name}`, () => assert.equal(crc32c(bytes, 0, bytes.length), crc))
}

/** One bit at a time, straight from the definition. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

test('crc32c: any range of any bytes is as by definition', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(40), (bytes, skip) => {
      const from = Math.min(skip, bytes.length)
      assert.equal(tableCrc32c(bytes, from, bytes.length), slowCrc32c(bytes.subarray(from)))
    }),
  )
})

test('crc32c: a native one is checked, then used for long ranges only', () => {
  assert.throws(() => installNativeCrc32c(() => 0), AssertionError)
  const before = crc32c(new Uint8Array(5000), 0, 5000)
  let calls = 0
  installNativeCrc32c(bytes => {
    calls++
    return slowCrc32c(bytes) | 0 // Signed, as some addons answer.
  })
  calls = 0
  assert.equal(crc32c(new Uint8Array(5000), 0, 5000), before)
  assert.equal(calls, 1)
  assert.equal(crc32c(iscsiRead, 0, iscsiRead.length), 0xd9963a56)
  assert.equal(calls, 1)
})
