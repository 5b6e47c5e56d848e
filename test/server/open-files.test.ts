import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openFilesLimit } from '../../src/platform/open-files.ts'
import { loadConfig } from '../../src/server/config/index.ts'
import { withinOpenFiles } from '../../src/server/open-files.ts'
import { silentLogger } from '../../src/util/logger.ts'

const defaults = loadConfig()

test('enough files, or a limit that nobody knows: the settings stay', () => {
  for (const limit of [null, 64 + defaults.logOpenFilesMax + defaults.maxConnections, 1_048_576]) {
    assert.equal(withinOpenFiles(defaults, limit, silentLogger), defaults)
  }
})

test('few files: both get less, together no more than there are, and it is said once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 32, max: 10_000 }), limit => {
      const warned: unknown[] = []
      const logger = { ...silentLogger, warn: (fields: unknown) => void warned.push(fields) }
      const { logOpenFilesMax, maxConnections } = withinOpenFiles(defaults, limit, logger)
      assert.equal(warned.length, 1)
      assert.ok(logOpenFilesMax >= 8 && logOpenFilesMax <= defaults.logOpenFilesMax)
      assert.ok(maxConnections >= 8 && maxConnections <= defaults.maxConnections)
      const own = limit - logOpenFilesMax - maxConnections
      assert.ok(own >= Math.min(64, limit / 2 - 1), `${own} of ${limit} are left`)
    }),
  )
})

test('the limit of this process', { skip: process.platform === 'linux' ? false : 'needs /proc' }, () => {
  assert.ok(openFilesLimit()! >= 32)
})
