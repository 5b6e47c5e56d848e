/**
 * Disk before wire, seen from outside: a real process persists a hundred times and sends a line to a socket after each.
 * In the order in which the kernel did it, each line comes after the pages, after the sync, after the synced meta page.
 * Once with strace, which sees every call; once with the shim, where strace is missing. Each with a control that sends
 * too early, to show that it would be seen.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runChild, storageShim } from './run-child.ts'

const count = 100

/** `p` pages written, `s` synced, `m` meta page written and synced, each when it is done; `r` a line is being sent. */
type Steps = string

/** Runs the child under `under`; `log` is read when it has ended. */
async function trace(
  isEarly: boolean,
  run: (directory: string) => { under?: string[]; environment?: Record<string, string>; read: () => Steps },
): Promise<Steps> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-trace-'))
  const received: Buffer[] = []
  const server = createServer(socket => socket.on('data', chunk => received.push(chunk))).listen(0, '127.0.0.1')
  try {
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const { under, environment, read } = run(directory)
    const command = { kind: 'reply', path: join(directory, 'raft'), count, port, isEarly } as const
    const { code, stderr } = await runChild(command, environment, undefined, under)
    assert.equal(code, 0, stderr)
    assert.equal(Buffer.concat(received).toString(), Array.from({ length: count }, (_, i) => `reply ${i}\n`).join(''))
    return read()
  } finally {
    server.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Replies that left before their own commit was done: when more commits were still to come than there are batches. */
function earlyReplies(steps: Steps): number {
  const [, ...afterEach] = steps.split('r')
  assert.equal(afterEach.length, count)
  // The last is the closing, which is a commit of its own.
  let commitsToCome = 0
  let early = 0
  for (const [batchesToCome, after] of afterEach.reverse().entries()) {
    commitsToCome += after.split('m').length - 1
    if (commitsToCome > batchesToCome + 1) early++
  }
  return early
}

/** Each commit writes its pages, syncs them, and then writes the meta page that names them. */
function assertWholeCommits(steps: Steps): void {
  const [beforeFirst, ...afterEach] = steps.split('r')
  assert.match(beforeFirst!, /p+sm$/)
  for (const commit of afterEach) assert.match(commit, /^p+sm$/)
}

function underStrace(directory: string): { under: string[]; read: () => Steps } {
  const log = join(directory, 'strace')
  const calls = 'trace=openat,pwrite64,writev,write,fdatasync,sendto,sendmsg'
  return {
    under: ['strace', '-f', '-y', '-qq', '-e', calls, '-e', 'signal=none', '-o', log],
    read: () => straceSteps(readFileSync(log, 'utf8').split('\n')),
  }
}

function straceSteps(lines: readonly string[]): Steps {
  /** Descriptors of the data file whose every write is synced. */
  const synced = new Set<string>()
  /** By process: the call it is in. */
  const unfinished = new Map<string, string>()
  let steps = ''
  for (const line of lines) {
    const [, pid, rest] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (pid === undefined || rest === undefined) continue
    const begins = !rest.startsWith('<...')
    // A line that another interrupted: the arguments come with its first half, the result with its second.
    const call = begins ? rest : `${unfinished.get(pid) ?? ''} ${rest}`
    if (begins && /^(write|writev|sendto|sendmsg)\(\d+<(socket|TCP)[^"]*"reply \d+/.test(rest)) steps += 'r'
    if (rest.endsWith('<unfinished ...>')) {
      unfinished.set(pid, rest)
      continue
    }
    if (!call.includes('/raft/data.mdb')) continue
    const opened = /^openat\(.*O_DSYNC.* = (\d+)</.exec(call)
    if (opened !== null) synced.add(opened[1]!)
    const [, name, fd] = /^(\w+)\((\d+)</.exec(call) ?? []
    if (name === 'fdatasync') steps += 's'
    else if (name === 'pwrite64' || name === 'writev') steps += synced.has(fd!) ? 'm' : 'p'
  }
  return steps
}

const strace = spawnSync('strace', ['-qq', '-e', 'trace=none', 'true'])
const skipStrace = strace.status === 0 ? false : 'needs strace, and the right to trace a process of one’s own'

test(`strace: ${count} replies, each after its pages, its sync and its meta page`, { skip: skipStrace }, async () => {
  const steps = await trace(false, underStrace)
  assertWholeCommits(steps)
  assert.equal(earlyReplies(steps), 0)
})

test('strace: a reply that leaves too early is seen', { skip: skipStrace }, async () => {
  assert.ok(earlyReplies(await trace(true, underStrace)) > count / 2)
})

const shim = storageShim()
const skipShim = 'missing' in shim ? shim.missing : false

function withShim(directory: string): { environment: Record<string, string>; read: () => Steps } {
  const log = join(directory, 'log')
  const step = (line: string): string => (line.startsWith('pwrite') ? (line.endsWith(' 1') ? 'm' : 'p') : line[0]!)
  return {
    environment: { LD_PRELOAD: 'path' in shim ? shim.path : '', STORAGE_SHIM_LOG: log },
    read: () => {
      const lines = readFileSync(log, 'utf8').trim().split('\n')
      return lines.map(line => (line === 'send' ? 'r' : line === 'fdatasync' ? 's' : step(line))).join('')
    },
  }
}

test(`shim: ${count} replies, each after its pages, its sync and its meta page`, { skip: skipShim }, async () => {
  const steps = await trace(false, withShim)
  assertWholeCommits(steps)
  assert.equal(earlyReplies(steps), 0)
})

test('shim: a reply that leaves too early is seen', { skip: skipShim }, async () => {
  assert.ok(earlyReplies(await trace(true, withShim)) > count / 2)
})
