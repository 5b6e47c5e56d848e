import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { nodeCodecs } from '../../src/platform/codecs.ts'
import { installFastCrc32c } from '../../src/platform/crc32c.ts'
import { addonZstdCodec, nodeZstdCodec } from '../../src/platform/zstd.ts'
import { scanZstd } from '../../src/platform/zstd-frame.ts'
import type { Codec } from '../../src/protocol/batch/types.ts'
import { crc32c, tableCrc32c } from '../../src/util/crc32c.ts'
import { CorruptionError } from '../../src/util/errors.ts'
import { runs } from '../support/depth.ts'

const codecs = Object.entries({
  gzip: nodeCodecs.gzip,
  snappy: nodeCodecs.snappy,
  lz4: nodeCodecs.lz4,
  zstd: nodeCodecs.zstd,
  'zstd (addon)': addonZstdCodec(),
  'zstd (node)': nodeZstdCodec(),
}).flatMap(([name, codec]) => (codec === null ? [] : [{ name, codec }]))
const MiB = 1024 * 1024

const compressed = (codec: Codec, bytes: Uint8Array): Uint8Array => codec.compress(bytes) as Uint8Array
const decompressed = (codec: Codec, bytes: Uint8Array, sizeMax: number): Uint8Array =>
  codec.decompress(bytes, sizeMax) as Uint8Array

test('this machine has every codec, so the tests below test something', () => {
  assert.deepEqual(
    codecs.map(c => c.name).filter(name => !name.includes('(node')),
    ['gzip', 'snappy', 'lz4', 'zstd', 'zstd (addon)'],
  )
})

for (const { name, codec } of codecs) {
  test(`${name}: what was compressed comes back, up to the exact limit`, () => {
    const texts = fc
      .uint8Array({ maxLength: 2000 })
      .map(bytes => Buffer.concat(Array.from({ length: 50 }, () => bytes)))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100_000 }), texts), bytes => {
        const packed = compressed(codec, bytes)
        assert.deepEqual(Buffer.from(decompressed(codec, packed, bytes.length)), Buffer.from(bytes))
        if (bytes.length > 0) assert.throws(() => decompressed(codec, packed, bytes.length - 1), CorruptionError)
      }),
      { numRuns: runs(60) },
    )
  })

  test(`${name}: a bomb is refused, and costs no more memory than the limit allows`, () => {
    const bomb = compressed(codec, new Uint8Array(64 * MiB))
    const before = process.memoryUsage.rss()
    assert.throws(() => decompressed(codec, bomb, MiB), /would be larger than 1048576 bytes/)
    assert.ok(process.memoryUsage.rss() - before < 40 * MiB)
  })

  test(`${name}: damage throws CorruptionError or gives other bytes within the limit; nothing else happens`, () => {
    const bytes = Buffer.from('record batches travel far '.repeat(400))
    const packed = compressed(codec, bytes)
    fc.assert(
      fc.property(fc.nat(packed.length * 8 - 1), fc.nat(packed.length), (bit, length) => {
        const flipped = Uint8Array.from(packed)
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        for (const damagedBytes of [flipped, flipped.subarray(0, length)]) {
          try {
            assert.ok(decompressed(codec, damagedBytes, 64 * 1024).length <= 64 * 1024)
          } catch (error) {
            assert.ok(error instanceof CorruptionError, String(error))
          }
        }
      }),
      { numRuns: runs(300) },
    )
  })

  test(`${name}: what is cut short is refused`, () => {
    const packed = compressed(codec, Buffer.from('abcdefgh'.repeat(1000)))
    for (let length = 0; length < packed.length; length++) {
      // A xerial frame has no count of its blocks: one that ends after its header is whole, and empty.
      if (name === 'snappy' && length === 16) continue
      assert.throws(() => decompressed(codec, packed.subarray(0, length), MiB), CorruptionError, `${length} bytes`)
    }
  })
}

test('snappy: written in the frame of Kafka’s client, read with and without it', () => {
  const snappy = createRequire(import.meta.url)('snappy') as { compressSync(bytes: Uint8Array): Buffer }
  const bytes = Buffer.from('flights '.repeat(20_000))
  const framed = Buffer.from(compressed(nodeCodecs.snappy!, bytes))
  assert.equal(framed.subarray(0, 16).toString('hex'), '82534e4150505900' + '00000001' + '00000001')
  assert.deepEqual(decompressed(nodeCodecs.snappy!, framed, bytes.length), bytes)
  assert.deepEqual(decompressed(nodeCodecs.snappy!, snappy.compressSync(bytes), bytes.length), bytes)
})

test('gzip: what kafkajs writes is read, and what we write it reads', async () => {
  const require = createRequire(import.meta.url)
  const gzip = require(`${dirname(require.resolve('kafkajs'))}/src/protocol/message/compression/gzip.js`) as {
    compress(encoder: { buffer: Buffer }): Promise<Buffer>
    decompress(bytes: Buffer): Promise<Buffer>
  }
  const bytes = Buffer.from('one,two,three\n'.repeat(500))
  assert.deepEqual(decompressed(nodeCodecs.gzip!, await gzip.compress({ buffer: bytes }), bytes.length), bytes)
  const ours = Buffer.from(compressed(nodeCodecs.gzip!, bytes))
  assert.deepEqual(await gzip.decompress(ours), bytes)
  assert.deepEqual(gunzipSync(ours), bytes)
})

test('lz4: a frame made by hand after the format’s text is read', () => {
  // One uncompressed block "abc", no checksums (LZ4 frame format, by hand).
  const plain = Buffer.from('04224d186040820300008061626300000000', 'hex')
  assert.equal(Buffer.from(decompressed(nodeCodecs.lz4!, plain, 3)).toString(), 'abc')
  assert.throws(() => decompressed(nodeCodecs.lz4!, plain, 2), /larger than 2/)
})

test('zstd: frames without a content size, as Java streams write them, in one and in many blocks', () => {
  const codec = addonZstdCodec()!
  // Magic, descriptor 0 (window follows, no size), window 128 KiB, one raw block "abc" marked last.
  const one = Buffer.from('28b52ffd0038190000616263', 'hex')
  assert.equal(scanZstd(one).boundBytes, 128 * 1024)
  assert.equal(Buffer.from(decompressed(codec, one, 3)).toString(), 'abc')
  assert.throws(() => decompressed(codec, one, 2), /larger than 2/)
  // Three hundred repeated-byte blocks of ten bytes: the bound is far above the limit, the content is not.
  const blocks = Array.from({ length: 300 }, (_, i) =>
    Buffer.from([(10 << 3) | 2 | (i === 299 ? 1 : 0), 0, 0, 0x61 + (i % 26)]),
  )
  const many = Buffer.concat([Buffer.from('28b52ffd0038', 'hex'), ...blocks])
  const content = decompressed(codec, many, 3000)
  assert.equal(content.length, 3000)
  assert.equal(content[2999], 0x61 + (299 % 26))
  assert.throws(() => decompressed(codec, many, 2999), /larger than 2999/)
})

test('zstd: a streamed bomb is stopped while it grows, and an outsized window refused', () => {
  const block = Buffer.from([0x02, 0x00, 0x10, 0])
  block.writeUIntLE((128 * 1024 * 8) | 2, 0, 3)
  const last = Buffer.from(block)
  last[0]! |= 1
  const blocks = [...Array.from({ length: 4000 }, () => block), last]
  const bomb = (window: number): Buffer => Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, window]), ...blocks])
  const before = process.memoryUsage.rss()
  assert.throws(() => decompressed(addonZstdCodec()!, bomb(0x38), MiB), /larger than 1048576/)
  assert.ok(process.memoryUsage.rss() - before < 40 * MiB)
  assert.throws(() => decompressed(addonZstdCodec()!, bomb(0xf8), MiB), /window/)
})

test('crc32c: the native sum is installed and equals the table’s', () => {
  assert.equal(installFastCrc32c(), true)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1000 }), fc.nat(50), (bytes, from) => {
      const start = Math.min(from, bytes.length)
      assert.equal(crc32c(bytes, start, bytes.length), tableCrc32c(bytes, start, bytes.length))
    }),
  )
})
