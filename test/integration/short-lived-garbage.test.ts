/**
 * What a request leaves behind must be gone with the next minor collection. A container of V8 that turns over with every
 * request (a `Set`, a `Map`, a linked list) can keep dead requests alive through its own dead parts until the next full
 * collection (decision 0019): minor ones then copy most of what they should free, for 10 to 20 ms each. Seen from
 * outside, in the trace of a client's collector.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startNode } from './support.ts'

const bin = path.join(import.meta.dirname, '..', '..', 'bin', 'millrace.cjs')
const run = promisify(execFile)

const loads = {
  'batches of many records': ['produce', '--batch-records', '600', '--in-flight', '16', '--records', '1500000'],
  'single records': ['produce', '--batch-records', '1', '--in-flight', '256', '--records', '150000'],
  'reading a backlog': ['consume', '--records', '1500000'],
}

test('what the requests of a client leave behind does not survive minor collections', { timeout: 120_000 }, async t => {
  const { url } = await startNode(t, { inMemory: true })
  for (const [name, args] of Object.entries(loads)) {
    const { stdout } = await run(process.execPath, ['--trace-gc', bin, 'bench', ...args, '-q', '-b', url], {
      maxBuffer: 1 << 26,
    })
    const { collections, part } = survival(stdout)
    t.diagnostic(`${name}: ${Math.round(100 * part)} % of what was made survived ${collections} minor collections`)
    assert.ok(collections >= 5, `${name}: ${collections} minor collections are too few to tell`)
    assert.ok(part < 0.25, `${name}: ${Math.round(100 * part)} % of what was made survived its first collection`)
  }
})

/** Of what was made between collections, the part that survived the next one. The first few belong to the start. */
function survival(trace: string): { collections: number; part: number } {
  const sizes = [...trace.matchAll(/(Scavenge|Mark-Compact)\D* (\d+\.\d+) \([\d.]+\) -> (\d+\.\d+) /g)]
  let collections = 0
  let made = 0
  let survived = 0
  for (const [at, [, kind, before, after]] of sizes.entries()) {
    if (kind !== 'Scavenge' || at < startCollections) continue
    const last = Number(sizes[at - 1]![3])
    collections++
    made += Number(before) - last
    survived += Number(after) - last
  }
  return { collections, part: survived / made }
}

const startCollections = 12
