import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openDataDirectory } from '../../src/server/data-directory.ts'
import { ConfigError, CorruptionError } from '../../src/util/errors.ts'

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-data-'))
  try {
    await run(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const refused = (key: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ConfigError, String(error))
  assert.equal(error.key, key)
  assert.match(error.message, message)
  return true
}

/** Lock files are sockets of processes; what else is there? */
const contents = (path: string): string[] => readdirSync(path).filter(name => !name.startsWith('.lock-'))

test('a first start makes the directory and says whose it is; later ones read it', async () => {
  await inDirectory(async directory => {
    const path = join(directory, 'a', 'b', 'data')
    const first = await openDataDirectory({ path, nodeId: 7 })
    assert.equal(first.path, path)
    assert.equal(first.clusterId, null)
    assert.match(readFileSync(join(path, 'meta.properties'), 'utf8'), /^#.*\nversion=1\nnode\.id=7\n$/)
    first.confirmClusterId('abc-_1')
    first.confirmClusterId('abc-_1')
    await first[Symbol.asyncDispose]()
    await first[Symbol.asyncDispose]()
    const second = await openDataDirectory({ path, nodeId: 7 })
    assert.equal(second.clusterId, 'abc-_1')
    assert.throws(
      () => second.confirmClusterId('other'),
      refused('log.dirs', /belongs to cluster abc-_1.*cluster other/),
    )
    await second[Symbol.asyncDispose]()
    assert.deepEqual(readdirSync(path), ['meta.properties'])
  })
})

test('another node, another version, something else, a file, a damaged description: one line each', async () => {
  await inDirectory(async directory => {
    const make = (name: string, files: Record<string, string>): string => {
      const path = join(directory, name)
      mkdirSync(path)
      for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text)
      return path
    }
    const open = (path: string) => openDataDirectory({ path, nodeId: 1 })
    const node = make('node', { 'meta.properties': 'version=1\nnode.id=2\n' })
    await assert.rejects(open(node), refused('node.id', /meta\.properties belongs to node 2, not to node 1/))
    const version = make('version', { 'meta.properties': 'version=2\nnode.id=1\n' })
    await assert.rejects(open(version), refused('log.dirs', /layout version 2; this version .* up to 1/))
    const other = make('other', { 'holiday.jpg': '' })
    await assert.rejects(open(other), refused('log.dirs', /contains holiday\.jpg but no meta\.properties/))
    assert.deepEqual(readdirSync(other), ['holiday.jpg'])
    await assert.rejects(open(join(other, 'holiday.jpg')), refused('log.dirs', /cannot be used as a directory/))
    const damaged = make('damaged', { 'meta.properties': 'version=1\nnode.id=\n' })
    await assert.rejects(open(damaged), error => {
      assert.ok(error instanceof CorruptionError)
      assert.match(error.message, /node\.id is missing or not a number/)
      return true
    })
    const cutShort = make('cut-short', { 'meta.properties.new': 'vers' })
    await (await open(cutShort))[Symbol.asyncDispose]()
  })
})

test('where nothing can be made the start says so, and does not try for ever', {
  skip: existsSync('/proc/self') ? false : 'needs /proc',
}, async () => {
  const open = (path: string) => openDataDirectory({ path, nodeId: 1 })
  await assert.rejects(open('/proc/millrace/data'), refused('log.dirs', /cannot be used as a directory: ENOENT/))
  await assert.rejects(open('/proc/self/cmdline/data'), refused('log.dirs', /cannot be used as a directory/))
})

test('within one process and between two, a directory is open once; the refusal says by whom', async () => {
  await inDirectory(async directory => {
    // Longer than a socket's path may be.
    const path = join(directory, 'x'.repeat(200))
    const first = await openDataDirectory({ path, nodeId: 1 })
    const inUse = new RegExp(`${path} is in use by process ${process.pid} on `)
    await assert.rejects(openDataDirectory({ path, nodeId: 1 }), refused('log.dirs', inUse))
    const child = await startChild(path)
    assert.match(await child.open(), inUse)
    await first[Symbol.asyncDispose]()
    await (await openDataDirectory({ path, nodeId: 1 }))[Symbol.asyncDispose]()
    assert.deepEqual(contents(path), ['meta.properties'])
  })
})

test('a killed process leaves the directory free; a stopped one does not', async () => {
  await inDirectory(async path => {
    for (let life = 0; life < 3; life++) {
      const child = await startChild(path)
      assert.equal(await child.open(), 'held')
      await child.kill()
    }
    assert.equal(readdirSync(path).filter(name => name.startsWith('.lock-')).length, 1, 'the last one’s, and no more')
    const stopped = await startChild(path)
    assert.equal(await stopped.open(), 'held')
    stopped.process.kill('SIGSTOP')
    await assert.rejects(
      openDataDirectory({ path, nodeId: 1 }),
      refused('log.dirs', /in use by a process that does not answer/),
    )
    await stopped.kill()
    await (await openDataDirectory({ path, nodeId: 1 }))[Symbol.asyncDispose]()
    assert.deepEqual(readdirSync(path), ['meta.properties'])
  })
})

test('of many that start at the same instant exactly one gets it, beside the leftovers of a killed one', async () => {
  await inDirectory(async path => {
    const killed = await startChild(path)
    assert.equal(await killed.open(), 'held')
    await killed.kill()
    const children = await Promise.all([1, 2, 3, 4].map(() => startChild(path)))
    const answers = await Promise.all(children.map(child => child.open()))
    assert.equal(answers.filter(answer => answer === 'held').length, 1, answers.join(', '))
    for (const answer of answers.filter(a => a !== 'held'))
      assert.match(answer, /^ConfigError: .* is in use by process \d+/)
    await Promise.all(children.map(child => child.kill()))
  })
})

test('within one process, a hundred rounds of three at once: exactly one each', async () => {
  await inDirectory(async path => {
    for (let round = 0; round < 100; round++) {
      const results = await Promise.allSettled([0, 1, 2].map(() => openDataDirectory({ path, nodeId: 1 })))
      const held = results.filter(result => result.status === 'fulfilled')
      assert.equal(held.length, 1, `round ${round}`)
      await held[0]!.value[Symbol.asyncDispose]()
    }
  })
})

interface Child {
  readonly process: ChildProcess
  /** Lets it open the directory; resolves with what it says. */
  open(): Promise<string>
  kill(): Promise<void>
}

async function startChild(path: string): Promise<Child> {
  const script = fileURLToPath(new URL('lock-child.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', script, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => String((await lines.next()).value)
  assert.equal(await next(), 'ready')
  return {
    process: child,
    open() {
      child.stdin.write('open\n')
      return next()
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
