/**
 * Runs test/scenarios/raft/*.txt. A block is verbs, a line `----`, what they caused, an empty line. `--rewrite` (run this
 * file with node directly) writes what happens now into the files; read the difference before committing it.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Script } from './script.ts'

const directory = fileURLToPath(new URL('../scenarios/raft/', import.meta.url))
const isRewriting = process.argv.includes('--rewrite')

/** The text with every expectation replaced by what happens. */
function replay(text: string): string {
  const script = new Script()
  const out: string[] = []
  let caused: string[] = []
  let isExpectation = false
  for (const line of text.split('\n')) {
    if (isExpectation && line !== '') continue
    isExpectation = false
    if (line === '----') {
      out.push(line, ...caused)
      caused = []
      isExpectation = true
      continue
    }
    out.push(line)
    if (line !== '' && !line.startsWith('#')) caused.push(...script.run(line))
  }
  return out.join('\n')
}

const files = readdirSync(directory).filter(name => name.endsWith('.txt'))
assert.ok(files.length > 0, 'scenarios were found')

for (const name of files) {
  test(`scenario ${name}`, () => {
    const text = readFileSync(directory + name, 'utf8')
    const actual = replay(text)
    if (isRewriting) writeFileSync(directory + name, actual)
    else assert.equal(actual, text)
  })
}
