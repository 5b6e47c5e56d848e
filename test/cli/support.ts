/**
 * The command line as a process: what goes in, what comes out, how it ends. It is run as users run it, from
 * `bin/millrace.cjs`, so `npm run build` comes first (`npm test` does it), and again after every change.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, type ChildProcessWithoutNullStreams, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before } from 'node:test'
import { assertBuilt } from '../support/built.ts'

assertBuilt(path.resolve())

export const bin = path.resolve('bin/millrace.cjs')

/** This process's environment without anything Millrace would read as a setting. */
const cleanEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('MILLRACE_')),
)

export interface Ended {
  /** `null` when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export function spawnCli(args: readonly string[], options: RunOptions = {}): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [bin, ...args], { env: { ...cleanEnvironment, ...options.env }, cwd: options.cwd })
}

export async function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => void (stdout += part))
  child.stderr.setEncoding('utf8').on('data', (part: string) => void (stderr += part))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

export function runCli(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = spawnCli(args, options)
  // A command that has read enough closes its stdin first.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  return ended(child)
}

export interface ServerProcess {
  readonly child: ChildProcess
  readonly url: string
}

export async function startServerProcess(
  dataDir: string,
  port = 0,
  args: readonly string[] = [],
): Promise<ServerProcess> {
  const all = ['server', '--data-dir', dataDir, '--port', String(port), '--set', 'log.level=warn', ...args]
  const child = fork(bin, all, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: cleanEnvironment })
  const [message] = (await once(child, 'message')) as [{ url: string }]
  return { child, url: message.url }
}

export async function stopProcess(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill(signal)
  await exit
}

/** What every test file with one node of its own needs; started before its tests and stopped after them. */
export interface Rig {
  readonly url: string
  /** A directory of this file's own. */
  readonly work: string
  readonly dataDir: string
  run(args: readonly string[], options?: RunOptions): Promise<Ended>
  /** Runs a command that must succeed and returns what it printed. */
  text(args: readonly string[], input?: string): Promise<string>
  /** The same with `--format json`: each line as a document. */
  json(args: readonly string[], input?: string): Promise<unknown[]>
}

export function rigWithServer(): Rig {
  let work = ''
  let server: ServerProcess | null = null
  before(async () => {
    work = mkdtempSync(path.join(tmpdir(), 'millrace-cli-'))
    server = await startServerProcess(path.join(work, 'data'))
  })
  after(async () => {
    if (server !== null) await stopProcess(server.child)
    rmSync(work, { recursive: true, force: true })
  })
  const run: Rig['run'] = (args, options) =>
    runCli(args, { ...options, env: { MILLRACE_BOOTSTRAP: server!.url, ...options?.env } })
  const text: Rig['text'] = async (args, input = '') => {
    const { code, stdout, stderr } = await run(args, { input })
    assert.equal(code, 0, `millrace ${args.join(' ')}: ${stderr}`)
    return stdout
  }
  return {
    get url() {
      return server!.url
    },
    get work() {
      return work
    },
    get dataDir() {
      return path.join(work, 'data')
    },
    run,
    text,
    async json(args, input = '') {
      const printed = await text([...args, '--format', 'json'], input)
      const lines = printed.split('\n')
      assert.equal(lines.pop(), '')
      return lines.map(line => JSON.parse(line) as unknown)
    },
  }
}
