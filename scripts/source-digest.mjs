// Says of which sources `dist` was built: a checkout in which they have changed since would silently run the old ones.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'

/** Written by the build, as its last step; not published. */
const digestFile = path.join('dist', '.source-digest')
const inputs = ['src', 'package.json', 'tsconfig.json', 'tsconfig.build.json', path.join('scripts', 'build.mjs')]

export function sourceDigest(root) {
  const hash = createHash('sha256')
  for (const name of inputs.flatMap(input => filesOf(root, input))) {
    const content = readFileSync(path.join(root, name))
    hash.update(`${name} ${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}

/** The digest of what `dist` was built of; `null`: there is none, or its build was cut short. */
export function builtDigest(root) {
  const file = path.join(root, digestFile)
  return existsSync(file) ? readFileSync(file, 'utf8') : null
}

export function digestPath(root) {
  return path.join(root, digestFile)
}

function filesOf(root, input) {
  const place = path.join(root, input)
  if (!existsSync(place)) return []
  if (statSync(place).isFile()) return [input]
  return readdirSync(place, { recursive: true })
    .map(name => path.join(input, String(name)))
    .filter(name => statSync(path.join(root, name)).isFile())
    .sort()
}
