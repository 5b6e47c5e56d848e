/** A `dist` that is not of the sources that are here is never tested in their place. */
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { digestPath, sourceDigest } from '../../scripts/source-digest.mjs'
import { temporaryDirectory } from '../integration/support.ts'
import { assertBuilt } from './built.ts'

test('whatever a build depends on: another content or name is refused, another time is not', t => {
  const root = temporaryDirectory(t)
  for (const directory of ['src/util', 'dist']) mkdirSync(path.join(root, directory), { recursive: true })
  const file = path.join(root, 'src/util/one.ts')
  const build = (): void => writeFileSync(digestPath(root), sourceDigest(root))
  const isRefused = (): void => assert.throws(() => assertBuilt(root), /npm run build/)

  writeFileSync(file, 'export const one = 1')
  isRefused()
  build()
  assertBuilt(root)
  utimesSync(file, new Date(), new Date(Date.now() + 1_000))
  assertBuilt(root)
  const changes: (() => void)[] = [
    () => writeFileSync(file, 'export const one = 2'),
    () => writeFileSync(path.join(root, 'src/two.ts'), ''),
    () => renameSync(path.join(root, 'src/two.ts'), path.join(root, 'src/three.ts')),
    () => rmSync(path.join(root, 'src/three.ts')),
    () => writeFileSync(path.join(root, 'package.json'), '{}'),
    () => rmSync(digestPath(root)),
  ]
  for (const change of changes) {
    change()
    isRefused()
    build()
    assertBuilt(root)
  }
})
