/** Starts `child.ts` and reads its events; compiles the fault shim where a C compiler is present. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Change, Command } from './child.ts'

export interface ChildEvent {
  readonly kind: string
  readonly name?: string
  readonly message?: string
  readonly change?: Change
  readonly term?: number
  readonly last?: number
  readonly vote?: number
  readonly snapshot?: number | null
}

const childPath = fileURLToPath(new URL('child.ts', import.meta.url))
const shimSource = fileURLToPath(new URL('../shims/storage-faults.c', import.meta.url))

/** Runs the child; `onEvent` may kill it. Resolves with all its events and how it ended. */
export async function runChild(
  command: Command,
  environment: Record<string, string> = {},
  onEvent: (event: ChildEvent, child: ChildProcess) => void = () => {},
  /** A program, with its arguments, that runs what follows them. */
  under: readonly string[] = [],
): Promise<{ events: ChildEvent[]; signal: NodeJS.Signals | null; code: number | null; stderr: string }> {
  const [program, ...args] = [...under, process.execPath, '--import', 'tsx', childPath, JSON.stringify(command)]
  const child = spawn(program!, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const events: ChildEvent[] = []
  let stderr = ''
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  createInterface({ input: child.stdout }).on('line', line => {
    const event = JSON.parse(line) as ChildEvent
    events.push(event)
    onEvent(event, child)
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { events, signal, code, stderr }
}

let shim: string | null | undefined

/** The compiled shim, or the reason why there is none. */
export function storageShim(): { path: string } | { missing: string } {
  if (shim === undefined) {
    const work = mkdtempSync(join(tmpdir(), 'millrace-shim-'))
    process.once('exit', () => rmSync(work, { recursive: true, force: true }))
    const out = join(work, 'storage-faults.so')
    const flags = ['-shared', '-fPIC', '-O1', '-o', out, shimSource, '-ldl']
    const compiled = process.platform === 'linux' && spawnSync('cc', flags, { stdio: 'inherit' }).status === 0
    shim = compiled ? out : null
  }
  return shim === null ? { missing: 'needs Linux and a C compiler named cc' } : { path: shim }
}
