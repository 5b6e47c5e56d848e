/**
 * Real input through the real command line: every row of vega-datasets' flights-200k.json, keyed by distance, into a
 * topic of four partitions and back. The same multiset of rows must come out, in order per key; and when the node is
 * killed with SIGKILL in the middle, every row that was acknowledged must be there.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'

const bin = path.resolve('bin/millrace.cjs')
const rowCount = 231_083

let work: string
let lines: string[]

before(() => {
  work = mkdtempSync(path.join(tmpdir(), 'millrace-flights-'))
  // The package exports no subpath, so its files are found through its main module.
  const main = createRequire(import.meta.url).resolve('vega-datasets')
  const file = path.join(path.dirname(main), '..', 'data', 'flights-200k.json')
  const rows = JSON.parse(readFileSync(file, 'utf8')) as { distance: number }[]
  assert.equal(rows.length, rowCount)
  lines = rows.map(row => `${row.distance}\t${JSON.stringify(row)}`)
})

after(() => rmSync(work, { recursive: true, force: true }))

interface Node {
  child: ChildProcess
  url: string
}

async function startNode(dataDir: string, port = 0): Promise<Node> {
  const args = ['server', '--data-dir', dataDir, '--port', String(port), '--set', 'log.level=warn']
  const child = fork(bin, args, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [message] = (await once(child, 'message')) as [{ url: string }]
  return { child, url: message.url }
}

async function stopNode(node: Node, signal: NodeJS.Signals): Promise<void> {
  const exit = once(node.child, 'exit')
  node.child.kill(signal)
  await exit
}

const run = promisify(execFile)

interface Row {
  partition: number
  offset: number
  key: string
  value: string
}

async function consumeAll(url: string): Promise<Row[]> {
  const { stdout } = await run(
    'node',
    [bin, 'consume', 'flights', '-o', 'start', '-e', '--format', 'json', '-b', url],
    { maxBuffer: 1 << 28 },
  )
  return stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Row)
}

function perKey(rows: Iterable<[key: string, value: string]>): Map<string, string[]> {
  const map = new Map<string, string[]>()
  for (const [key, value] of rows) {
    const list = map.get(key)
    if (list === undefined) map.set(key, [value])
    else list.push(value)
  }
  return map
}

function sentRows(count: number): [string, string][] {
  return lines.slice(0, count).map(line => line.split('\t') as [string, string])
}

test('flights: every row goes in and comes out, in order per key', async () => {
  const node = await startNode(path.join(work, 'whole'))
  try {
    await run('node', [bin, 'topic', 'create', 'flights', '-p', '4', '-b', node.url])
    const producing = spawn('node', [bin, 'produce', 'flights', '-K', '\\t', '-q', '-b', node.url], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    producing.stdin.end(`${lines.join('\n')}\n`)
    const [code] = await once(producing, 'exit')
    assert.equal(code, 0)
    const rows = await consumeAll(node.url)
    assert.equal(rows.length, rowCount)
    assert.deepEqual(new Set(rows.map(row => row.partition)), new Set([0, 1, 2, 3]))
    assert.deepEqual(perKey(rows.map(row => [row.key, row.value])), perKey(sentRows(rowCount)))
  } finally {
    await stopNode(node, 'SIGTERM')
  }
})

test('flights: SIGKILL in the middle loses no acknowledged row and invents none', async () => {
  const dataDir = path.join(work, 'killed')
  const node = await startNode(dataDir)
  await run('node', [bin, 'topic', 'create', 'flights', '-p', '4', '-b', node.url])
  // A short delivery timeout, so that the command gives up soon after the node is gone.
  const args = [
    bin,
    'produce',
    'flights',
    '-K',
    '\\t',
    '--acks',
    'all',
    '--format',
    'json',
    '-b',
    node.url,
    '-X',
    'delivery.timeout.ms=3000',
  ]
  const producing = spawn('node', args, { stdio: ['pipe', 'pipe', 'ignore'] })
  producing.stdin.on('error', () => {})
  // The rest is fed once the node is gone: however fast the command is, the kill comes in the middle.
  const half = Math.floor(rowCount / 2)
  producing.stdin.write(`${lines.slice(0, half).join('\n')}\n`)
  let printed = ''
  let killed: Promise<void> | null = null
  for await (const chunk of producing.stdout) {
    printed += String(chunk)
    if (killed === null && printed.length > 1_000_000) {
      killed = stopNode(node, 'SIGKILL')
      await killed
      producing.stdin.end(`${lines.slice(half).join('\n')}\n`)
    }
  }
  const acknowledged = printed
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as { partition: number; offset: number })
  assert.ok(
    acknowledged.length > 1_000 && acknowledged.length <= half,
    `${acknowledged.length} rows acknowledged: the kill was not in the middle`,
  )

  const again = await startNode(dataDir)
  try {
    const rows = await consumeAll(again.url)
    const byPlace = new Map(rows.map(row => [`${row.partition}:${row.offset}`, `${row.key}\t${row.value}`]))
    // The command prints acknowledgements in the order of its lines: the i-th is the i-th row's.
    const lost = acknowledged.filter((place, i) => byPlace.get(`${place.partition}:${place.offset}`) !== lines[i])
    assert.equal(lost.length, 0, `${lost.length} acknowledged rows are not where they were acknowledged`)
    const known = new Set(lines)
    assert.deepEqual(
      rows.filter(row => !known.has(`${row.key}\t${row.value}`)),
      [],
    )
  } finally {
    await stopNode(again, 'SIGTERM')
  }
})
