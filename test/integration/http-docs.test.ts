/** docs/HTTP.md, its commands word for word against a node on another port: what it says is printed is printed. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { readmeBlocks } from './readme.ts'
import { clientsOf, startNode } from './support.ts'

const run = promisify(execFile)
const skip = spawnSync('curl', ['--version']).status === 0 ? false : 'there is no curl here'

test('docs/HTTP.md: the commands print what it says they print', { skip }, async t => {
  const server = await startNode(t, { inMemory: true })
  const { admin } = clientsOf(t, server)
  await admin.createTopics({ topics: [{ name: 'orders', numPartitions: 1 }] })
  const blocks = readmeBlocks('docs/HTTP.md')
  const commands = blocks.filter(({ language }) => language === 'sh')
  assert.ok(commands.length >= 3)
  for (const command of commands) {
    const printed = blocks[blocks.indexOf(command) + 1]!
    const here = command.text.replaceAll('http://127.0.0.1:9292', server.url.replace('ws:', 'http:'))
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', here])
    assert.equal(stdout.trimEnd(), printed.text.trimEnd())
  }
})
