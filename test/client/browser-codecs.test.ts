import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { browserCodecs } from '../../src/client/browser-codecs.ts'
import { nodeCodecs } from '../../src/platform/codecs.ts'
import { seededRandom } from '../../src/util/random.ts'

const gzip = browserCodecs.gzip!

test('browser codecs: what the browser packs Node unpacks, and the other way round', async () => {
  for (const size of [0, 1, 1_000, 300_000]) {
    const bytes = seededRandom(size).nextBytes(size)
    assert.deepEqual(new Uint8Array(await nodeCodecs.gzip!.decompress(await gzip.compress(bytes), size)), bytes)
    assert.deepEqual(await gzip.decompress(gzipSync(bytes), size), bytes)
  }
})

test('browser codecs: a small batch must not become a large memory, and damage is an error', async () => {
  const bomb = gzipSync(new Uint8Array(10_000_000))
  await assert.rejects(async () => gzip.decompress(bomb, 9_999_999), {
    name: 'CorruptionError',
    message: /larger than/,
  })
  assert.equal((await gzip.decompress(bomb, 10_000_000)).length, 10_000_000)
  const damaged = gzipSync(seededRandom(1).nextBytes(1_000))
  damaged[500]! ^= 0xff
  await assert.rejects(async () => gzip.decompress(damaged, 10_000), { name: 'CorruptionError' })
  await assert.rejects(async () => gzip.decompress(bomb.subarray(0, 100), 10_000_000), { name: 'CorruptionError' })
  await assert.rejects(async () => gzip.decompress(new Uint8Array(20), 10_000), { name: 'CorruptionError' })
})
