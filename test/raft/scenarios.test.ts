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
  let isLooked = true
  for (const line of text.split('\n')) {
    if (isExpectation && line !== '') continue
    isExpectation = false
    if (line === '----') {
      out.push(line, ...caused)
      caused = []
      isLooked = true
      isExpectation = true
      continue
    }
    out.push(line)
    if (line === '' || line.startsWith('#')) continue
    isLooked = false
    caused.push(...script.run(line))
  }
  assert.ok(isLooked, 'what the last verbs caused is looked at')
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

test('a scenario whose expectation is wrong fails', () => {
  const right = replay('cluster 1\nstart\ncampaign 1\nlogs\n----\n')
  assert.match(right, /1:config/)
  assert.notEqual(replay(right.replace('1:config', '1:noop')), right.replace('1:config', '1:noop'))
  assert.equal(replay(right), right)
  assert.throws(() => replay('cluster 1\nstart\n'), /is looked at/)
  assert.throws(() => replay('cluster 1\nfly 1\n----\n'), /cannot "fly 1"/)
})
