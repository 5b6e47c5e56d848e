/**
 * The structure of the source, as a test: which room may import which, which rooms are pure, which may touch Node, how
 * long a file and a function may be. The tables are the rule; docs/ARCHITECTURE.md explains them.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { test } from 'node:test'

/** What each room may import, beside itself. `entry` is the two package entry points at the top of src/. */
const layers: Record<string, readonly string[]> = {
  util: [],
  protocol: ['util'],
  raft: ['util'],
  metadata: ['util', 'protocol'],
  replication: ['util', 'protocol'],
  coordinator: ['util', 'protocol'],
  'raft-storage': ['util', 'raft'],
  log: ['util', 'protocol'],
  transport: ['util', 'protocol'],
  quorum: ['util', 'protocol', 'raft', 'transport'],
  controller: ['util', 'protocol', 'metadata', 'quorum', 'transport'],
  broker: ['util', 'protocol', 'metadata', 'replication', 'coordinator', 'log', 'transport'],
  http: ['util', 'protocol', 'broker'],
  platform: ['util', 'protocol', 'log', 'transport'],
  client: ['util', 'protocol', 'transport'],
  entry: ['client', 'platform', 'protocol', 'util', 'transport'],
  server: [
    'util',
    'protocol',
    'raft',
    'metadata',
    'replication',
    'coordinator',
    'raft-storage',
    'log',
    'transport',
    'quorum',
    'controller',
    'broker',
    'http',
    'platform',
  ],
  cli: ['entry', 'client', 'server', 'protocol', 'util', 'log', 'platform'],
  console: ['client', 'protocol', 'util'],
  simulation: [
    'util',
    'protocol',
    'raft',
    'metadata',
    'replication',
    'coordinator',
    'raft-storage',
    'log',
    'transport',
    'quorum',
    'controller',
    'broker',
    'platform',
    'server',
    'client',
  ],
}

/** Facts in, effects out: no promise, no clock, no randomness, no Node. */
const pureRooms = ['util', 'protocol', 'raft', 'metadata', 'replication', 'coordinator']
/** The only rooms that may import Node's modules or read its clock and randomness. */
const nodeRooms = ['platform', 'raft-storage', 'http', 'cli', 'server']
const packagesAnywhere = ['msgpackr', 'msgpackr/pack']

const fileLinesMax = 500
const functionLinesMax = 70

interface Source {
  path: string
  room: string
  text: string
  /** Without comments and string contents: what the impurity rules look at. */
  code: string
}

const sources: Source[] = readdirSync('src', { recursive: true })
  .map(name => `src/${String(name)}`)
  .filter(path => path.endsWith('.ts'))
  .sort()
  .map(path => {
    const text = readFileSync(path, 'utf8')
    return { path, room: roomOf(path), text, code: stripped(text) }
  })

function roomOf(path: string): string {
  const parts = path.split('/')
  return parts.length === 2 ? 'entry' : parts[1]!
}

function stripped(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, comment => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|[^:])\/\/[^\n]*/g, '$1')
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''")
    .replace(/`[^`]*`/g, template => `\`\`${'\n'.repeat(template.split('\n').length - 1)}`)
}

/** Static and dynamic imports, and re-exports. */
const importPattern = /(?:^|[\s}])(?:from|import)\s*\(?\s*['"]([^'"\s]+)['"]/g

function importsOf(source: Source): string[] {
  return [...source.text.replace(/\/\*[\s\S]*?\*\//g, '').matchAll(importPattern)].map(match => match[1]!)
}

test('tidy: there is source to look at', () => {
  assert.ok(sources.length > 50, `only ${sources.length} files found: this check is broken, not passed`)
  for (const { path, room } of sources) assert.ok(layers[room], `${path}: room ${room} has no row in the layer table`)
})

test('tidy: every import follows the layer table', () => {
  let importsSeen = 0
  const faults = sources.flatMap(source =>
    importsOf(source)
      .filter(target => target.startsWith('.'))
      .flatMap(target => {
        importsSeen++
        const room = roomOf(posix.join(posix.dirname(source.path), target))
        return room === source.room || layers[source.room]!.includes(room)
          ? []
          : [`${source.path}: ${source.room} may not import ${room}`]
      }),
  )
  assert.ok(importsSeen > 100, 'no imports found: this check is broken, not passed')
  assert.deepEqual(faults, [])
})

test('tidy: only the Node rooms import Node and packages', () => {
  const faults = sources
    .filter(source => !nodeRooms.includes(source.room))
    .flatMap(source =>
      importsOf(source)
        .filter(target => !target.startsWith('.') && !packagesAnywhere.includes(target))
        .map(target => `${source.path}: imports ${target}`),
    )
  assert.deepEqual(faults, [])
})

test('tidy: no room but the Node rooms reads the clock, timers, randomness or the process', () => {
  const banned =
    /\b(Date\.now|new Date\(\)|performance\.|Math\.random|setTimeout|setInterval|setImmediate|(?<!\.)process\.|Buffer\.|globalThis\.(process|crypto)|crypto\.getRandomValues)/
  // The browser has no platform room: its two adapters and its entry are the client's.
  const exempt = (path: string): boolean => path === 'src/browser.ts' || path.startsWith('src/client/browser-')
  const faults = linesMatching(
    sources.filter(source => !nodeRooms.includes(source.room) && !exempt(source.path)),
    banned,
  )
  assert.deepEqual(faults, [])
})

test('tidy: pure rooms hold no promise', () => {
  const banned = /\b(async\s|await\s|new Promise\b|Promise\.(all|race|resolve|reject)|queueMicrotask)/
  const faults = linesMatching(
    sources.filter(source => pureRooms.includes(source.room) && source.path !== 'src/util/disposables.ts'),
    banned,
  )
  assert.deepEqual(faults, [])
})

test('tidy: LMDB stays behind its port and the lossy calls are not used', () => {
  const faults = [
    ...sources
      .filter(source => source.room !== 'raft-storage' && importsOf(source).includes('lmdb'))
      .map(source => source.path),
    ...linesMatching(
      sources.filter(source => source.room === 'raft-storage'),
      /\.(transaction|putSync|removeSync|clearSync)\(/,
    ),
  ]
  assert.deepEqual(faults, [])
})

test(`tidy: no file over ${fileLinesMax} lines, no function over ${functionLinesMax}`, () => {
  const faults = sources.flatMap(source => {
    const lines = source.text.split('\n').length
    return [...(lines > fileLinesMax ? [`${source.path}: ${lines} lines`] : []), ...longFunctions(source)]
  })
  assert.deepEqual(faults, [])
})

test('tidy: every file says what it is for, and none puts a promise off', () => {
  const imports = /^(?:(?:import|export)\b[^'"]*['"][^'"]+['"]\n|\s*\n)*/
  const isSilent = (source: Source): boolean =>
    source.text.split('\n').length > 40 && !/^\/[*/]/.test(source.text.replace(imports, ''))
  const faults = [
    // A request's file is its schema, which carries its own documentation.
    ...sources
      .filter(source => !source.path.startsWith('src/protocol/apis/') && isSilent(source))
      .map(source => `${source.path}: no opening comment`),
    ...linesMatching(
      sources.map(source => ({ ...source, code: source.text })),
      /\b(TODO|FIXME|XXX|HACK)\b/,
    ),
  ]
  assert.deepEqual(faults, [])
})

test('tidy: nothing names the workplace it was written in', () => {
  const places = readdirSync('.', { recursive: true })
    .map(String)
    .filter(
      path =>
        !/^(node_modules|dist|\.git|data)(\/|$)/.test(path) &&
        /\.(ts|mjs|cjs|js|json|md|yml|yaml|txt|c)$|Dockerfile$|^\.ci\/run$/.test(path),
    )
  assert.ok(places.length > 50, 'no files found: this check is broken, not passed')
  const banned = new RegExp(['\\.\\./sha' + 'red', '/wo' + 'rk/', 'registry\\.npm' + 'js', 'npm\\.pk' + 'g'].join('|'))
  assert.deepEqual(
    places.filter(path => banned.test(readFileSync(path, 'utf8'))),
    [],
  )
})

function linesMatching(from: Source[], pattern: RegExp): string[] {
  return from.flatMap(source =>
    source.code
      .split('\n')
      .flatMap((line, at) => (pattern.test(line) ? [`${source.path}:${at + 1}: ${line.trim()}`] : [])),
  )
}

/** A function or method begins on a line that ends in `=> {` or in `) … {` without a keyword of control before it, and ends with its brace. */
function longFunctions(source: Source): string[] {
  const lines = source.code.split('\n')
  const isStart = (line: string): boolean =>
    /=> \{$/.test(line) || (/\).*\{$/.test(line) && !/^\s*(\} )?(else )?(if|for|while|switch|catch|do)\b/.test(line))
  return lines.flatMap((line, from) => {
    if (!isStart(line) || /\b(test|describe)\(/.test(line)) return []
    let depth = 1
    let to = from
    while (depth > 0 && ++to < lines.length) {
      for (const character of lines[to]!) depth += character === '{' ? 1 : character === '}' ? -1 : 0
    }
    return to - from > functionLinesMax ? [`${source.path}:${from + 1}: a function of ${to - from} lines`] : []
  })
}
