/** One suite for every `Disk`: the real file system, the one in memory and the simulated one. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import type { Disk } from '../../src/log/disk.ts'
import { memoryDisk } from '../../src/platform/memory-disk.ts'
import { nodeDisk } from '../../src/platform/node-disk.ts'
import { SimDisk } from '../../src/simulation/sim-disk.ts'
import { StorageError } from '../../src/util/errors.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (content: Uint8Array): string => new TextDecoder().decode(content)

const kinds: Record<string, () => { disk: Disk; root: string; remove: () => void }> = {
  node: () => {
    const root = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
    return { disk: nodeDisk(), root, remove: () => rmSync(root, { recursive: true }) }
  },
  memory: () => ({ disk: memoryDisk(), root: 'root', remove: () => undefined }),
  simulated: () => ({ disk: new SimDisk(), root: 'root', remove: () => undefined }),
}

for (const [name, make] of Object.entries(kinds)) {
  test(`${name}: a gathered write is read back, at once and from the pool`, async () => {
    await withDisk(make, async (disk, root) => {
      const file = disk.open(`${root}/file`, { create: true })
      const large = new Uint8Array(200_000).map((_, at) => at % 251)
      file.write([bytes('ab'), new Uint8Array(0), bytes('cd'), large], 3)
      assert.equal(file.sizeBytes(), 200_007)
      assert.equal(disk.sizeOf(`${root}/file`), 200_007)
      const head = new Uint8Array(8)
      assert.equal(file.readSync(head, 0), 8)
      assert.deepEqual([...head], [0, 0, 0, 97, 98, 99, 100, 0])
      assert.deepEqual(await file.read(7, 300_000), large)
      assert.deepEqual(await file.read(7, 100), large.subarray(0, 100))
      assert.equal((await file.read(300_000, 300_000)).length, 0)
      assert.equal((await file.read(0, 0)).length, 0)
      file.close()
    })
  })

  test(`${name}: more buffers than one system call takes`, async () => {
    await withDisk(make, async (disk, root) => {
      const file = disk.open(`${root}/many`, { create: true })
      const buffers = Array.from({ length: 2500 }, (_, at) => new Uint8Array([at % 256]))
      file.write(buffers, 0)
      const found = new Uint8Array(2500)
      assert.equal(file.readSync(found, 0), 2500)
      assert.ok(found.every((byte, at) => byte === at % 256))
      file.close()
    })
  })

  test(`${name}: what was cut off reads as zero when the file grows again`, async () => {
    await withDisk(make, async (disk, root) => {
      const file = disk.open(`${root}/cut`, { create: true })
      file.write([bytes('abcdef')], 0)
      file.truncate(2)
      file.write([bytes('x')], 4)
      assert.deepEqual([...disk.readWhole(`${root}/cut`)], [97, 98, 0, 0, 120])
      file.close()
    })
  })

  test(`${name}: rename replaces, an open file outlives its name, removal of what is missing is fine`, async () => {
    await withDisk(make, async (disk, root) => {
      const file = disk.open(`${root}/a`, { create: true })
      file.write([bytes('new')], 0)
      disk.open(`${root}/b`, { create: true }).write([bytes('older')], 0)
      disk.rename(`${root}/a`, `${root}/b`)
      assert.equal(text(disk.readWhole(`${root}/b`)), 'new')
      assert.deepEqual(disk.list(root), ['b'])
      await disk.removeFile(`${root}/b`)
      await disk.removeFile(`${root}/b`)
      assert.equal(disk.exists(`${root}/b`), false)
      const found = new Uint8Array(3)
      assert.equal(file.readSync(found, 0), 3)
      file.close()
    })
  })

  test(`${name}: directories`, async () => {
    await withDisk(make, async (disk, root) => {
      disk.makeDirectory(`${root}/d/e`)
      disk.open(`${root}/d/e/f`, { create: true }).close()
      assert.equal(disk.isDirectory(`${root}/d/e`), true)
      assert.equal(disk.isDirectory(`${root}/d/e/f`), false)
      disk.rename(`${root}/d`, `${root}/g`)
      assert.equal(disk.exists(`${root}/g/e/f`), true)
      await disk.syncDirectory(root)
      await disk.removeDirectory(`${root}/g`)
      assert.deepEqual(disk.list(root), [])
      assert.deepEqual(disk.list(`${root}/nothing`), [])
      assert.ok((await disk.freeBytes(root)) > 0)
    })
  })

  test(`${name}: a missing file is a StorageError with its path and errno`, async () => {
    await withDisk(make, async (disk, root) => {
      const isMissing = (error: unknown): boolean =>
        error instanceof StorageError && error.where === `${root}/no` && codeOf(error) === 'ENOENT'
      assert.throws(() => disk.open(`${root}/no`, { create: false }), isMissing)
      assert.throws(() => disk.readWhole(`${root}/no`), isMissing)
      assert.throws(() => disk.sizeOf(`${root}/no`), isMissing)
    })
  })
}

test('memory: a full disk refuses and takes nothing', () => {
  const disk = memoryDisk({ sizeBytesMax: 10 })
  const file = disk.open('f', { create: true })
  file.write([bytes('12345678')], 0)
  assert.throws(
    () => file.write([bytes('12345678')], 8),
    error => codeOf(error) === 'ENOSPC',
  )
  file.truncate(0)
  file.write([bytes('1234567890')], 0)
  assert.equal(file.sizeBytes(), 10)
})

async function withDisk(make: (typeof kinds)[string], work: (disk: Disk, root: string) => Promise<void>) {
  const { disk, root, remove } = make!()
  try {
    disk.makeDirectory(root)
    await work(disk, root)
  } finally {
    remove()
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof StorageError ? (error.cause as { code?: unknown }).code : null
}
