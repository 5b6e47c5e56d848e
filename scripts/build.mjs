// Builds dist/: JavaScript bundled by esbuild, one file per entry and shared chunks, because Node spends more time on
// finding three hundred small modules than on running them; and type declarations by the TypeScript compiler.
// Dependencies stay outside the bundle.
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { digestPath, sourceDigest } from './source-digest.mjs'

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..')
const dist = path.join(root, 'dist')
const entries = ['index.ts', 'browser.ts', 'server/index.ts', 'server/raft/index.ts', 'cli/main.ts']

const require = createRequire(import.meta.url)
const compiler = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
// Of before: what is changed while it builds may be in it or not.
const digest = sourceDigest(root)
rmSync(dist, { recursive: true, force: true })
const types = spawnSync(process.execPath, [compiler, '-p', path.join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
})
if (types.status !== 0) process.exit(types.status ?? 1)
await build({
  entryPoints: entries.map(entry => path.join(root, 'src', entry)),
  outbase: path.join(root, 'src'),
  outdir: dist,
  bundle: true,
  splitting: true,
  packages: 'external',
  format: 'esm',
  platform: 'neutral',
  target: 'node20.19',
  sourcemap: true,
  sourcesContent: false,
  logLevel: 'warning',
})
writeFileSync(digestPath(root), digest)
