/** Memory that is not cleared: a piece of its own each time, and under glibc the same pages again and again. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { uncleared } from '../../src/platform/uncleared.ts'
import { KiB, MiB } from '../../src/util/units.ts'

test('a piece is as large as was asked for, and nobody else has a part of it', () => {
  for (const size of [0, 1, 61, 4 * KiB, 128 * KiB, 4 * MiB]) {
    const [a, b] = [uncleared(size), uncleared(size)]
    assert.deepEqual([a.length, a.byteOffset, a.buffer.byteLength], [size, 0, size])
    assert.notEqual(a.buffer, b.buffer)
  }
})

/** Page faults for each of many pieces of 4 MiB, of which every page is written to. */
const countFaults = `
  const { uncleared } = await import('./src/platform/uncleared.ts')
  const round = () => {
    for (let i = 0; i < 16; i++) uncleared(4 << 20).fill(1)
    gc()
  }
  for (let i = 0; i < 10; i++) round()
  const before = process.resourceUsage().minorPageFault
  for (let i = 0; i < 20; i++) round()
  console.log((process.resourceUsage().minorPageFault - before) / 320)
`

const { glibcVersionRuntime } = (process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } })
  .header

test('what comes back is used again', { skip: glibcVersionRuntime === undefined ? 'needs glibc' : false }, () => {
  const args = ['--expose-gc', '--import', 'tsx', '--input-type=module', '-e', countFaults]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.ok(stdout !== '', stderr)
  // Mapped anew, each piece takes 1,024; left to itself, the allocator does so for up to a sixth of them here.
  assert.ok(Number(stdout) < 64, `${stdout.trim()} page faults for each piece of 4 MiB`)
})
