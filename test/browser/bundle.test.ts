/** The browser entry bundles without a single Node module, and stays small. */
import assert from 'node:assert/strict'
import { builtinModules } from 'node:module'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const options = {
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  write: false,
  metafile: true,
} as const

test('browser: the entry bundles with no Node module, in under 160 KB', async t => {
  const result = await build({ ...options, entryPoints: ['src/browser.ts'], minify: true, logLevel: 'silent' })
  const inputs = Object.keys(result.metafile.inputs)
  assert.ok(inputs.includes('src/client/producer/producer.ts'), 'the bundle holds the client')
  const builtins = new Set(builtinModules)
  const imports = Object.values(result.metafile.inputs).flatMap(input => input.imports.map(({ path }) => path))
  const node = imports.filter(path => path.startsWith('node:') || builtins.has(path))
  assert.deepEqual(node, [])
  const rooms = new Set(inputs.flatMap(path => /^src\/([a-z-]+)\//.exec(path)?.[1] ?? []))
  assert.deepEqual([...rooms].sort(), ['client', 'protocol', 'transport', 'util'])
  const code = result.outputFiles[0]!.contents
  t.diagnostic(`browser bundle: ${code.length} bytes, ${gzipSync(code).length} gzipped`)
  assert.ok(code.length < 160_000, `${code.length} bytes`)
})

test('browser: esbuild would have noticed a Node module', async () => {
  const stdin = { contents: "import fs from 'node:fs'; console.log(fs)", resolveDir: '.' }
  await assert.rejects(build({ ...options, stdin, logLevel: 'silent' }), /node:fs/)
})
