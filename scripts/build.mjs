// Compiles src/ to dist/ with the TypeScript compiler; nothing is bundled.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(import.meta.url)
const compiler = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
if (process.argv.includes('--clean')) rmSync(path.join(root, 'dist'), { recursive: true, force: true })
const result = spawnSync(process.execPath, [compiler, '-p', path.join(root, 'tsconfig.build.json')], { stdio: 'inherit' })
process.exit(result.status ?? 1)
