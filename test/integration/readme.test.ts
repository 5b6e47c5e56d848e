/** The first screen of README.md, word for word, against a node on another port: documents that cannot rot. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startServerProcess, stopProcess } from '../cli/support.ts'
import { readmeBlocks } from './readme.ts'
import { afterTest, clientsOf, startNode, temporaryDirectory } from './support.ts'

const run = promisify(execFile)

test('README: the commands of the first screen print what it says they print', async t => {
  const blocks = readmeBlocks()
  const [start, commands, printed] = blocks
  assert.match(start!.text, /^npm ci && npm start\b/)
  assert.match(commands!.text, /^npx millrace topic create /)
  const server = await startServerProcess(path.join(temporaryDirectory(t), 'data'))
  afterTest(t, () => stopProcess(server.child))
  const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', commands!.text], {
    env: { ...process.env, MILLRACE_BOOTSTRAP: server.url },
  })
  assert.equal(stdout, printed!.text)
})

test('examples: each runs to its end beside what the README left', async t => {
  const server = await startNode(t, { inMemory: true })
  await clientsOf(t, server).producer.send({ topic: 'orders', messages: [{ value: 'hello' }] })
  const env = { ...process.env, MILLRACE_BOOTSTRAP: server.url }
  const examples = readdirSync('examples').filter(name => name.endsWith('.ts'))
  assert.ok(examples.length >= 2)
  for (const example of examples) {
    const { stdout } = await run(process.execPath, ['--import', 'tsx', path.join('examples', example)], { env })
    assert.notEqual(stdout, '', example)
  }
})

test('README: what it links to and what it runs is there', () => {
  const readme = readFileSync('README.md', 'utf8')
  const links = [...readme.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target]) => target!)
  assert.ok(links.length > 5)
  for (const target of links.filter(link => !link.startsWith('http'))) assert.ok(existsSync(target), target)
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  for (const [, name] of readme.matchAll(/npm run ([\w:]+)/g)) assert.ok(name! in scripts, `npm run ${name}`)
  for (const script of Object.values(scripts))
    for (const [file] of script.matchAll(/(?:scripts|bench|bin)\/[\w./-]+/g)) assert.ok(existsSync(file), file)
})
