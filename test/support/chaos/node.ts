/** A node of a chaos test: the built `millrace server` as a process, started, killed, frozen and started again on its directory. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { bin } from '../../cli/support.ts'

const pollMs = 20
/** Of what it logs, the end, for the message of a test that fails. */
const saidCharactersMax = 20_000

export interface ChaosNodeOptions {
  readonly id: number
  /** Where it listens. */
  readonly host: string
  readonly clientPort: number
  readonly peerPort: number
  /** Where clients are told to connect; `null`: where it listens. */
  readonly advertisedPort: number | null
  readonly dataDir: string
  /** Beside its own. */
  readonly settings: Readonly<Record<string, string>>
  readonly environment: Readonly<Record<string, string>>
  /** A program, with its arguments, that becomes the node. */
  readonly under?: readonly string[]
}

export class ChaosNode {
  readonly id: number
  /** Where clients are told to connect. */
  readonly url: string
  readonly peerUrl: string
  readonly dataDir: string
  readonly #options: ChaosNodeOptions
  #child: ChildProcess | null = null
  #isFrozen = false
  #said = ''
  /** How often it was started. */
  starts = 0

  constructor(options: ChaosNodeOptions) {
    this.#options = options
    this.id = options.id
    this.dataDir = options.dataDir
    this.url = `ws://${options.host}:${options.advertisedPort ?? options.clientPort}`
    this.peerUrl = `ws://${options.host}:${options.peerPort}`
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The end of its log, over all its lives. */
  get said(): string {
    return this.#said
  }

  /** Does not wait for anything. `environment` is for this life only. */
  start(environment: Readonly<Record<string, string>> = {}): void {
    assert.ok(!this.isRunning, `node ${this.id} runs already`)
    const { id, host, clientPort, dataDir, settings, under = [] } = this.#options
    const all = {
      'node.id': String(id),
      listeners: `ws://${host}:${clientPort}`,
      'advertised.listeners': this.url,
      'peer.listener': this.peerUrl,
      'log.level': 'warn',
      ...settings,
    }
    const pairs = Object.entries(all).flatMap(([key, value]) => ['--set', `${key}=${value}`])
    const preload = new URL('node-preload.mjs', import.meta.url).href
    const command = [...under, process.execPath, `--import=${preload}`, bin, 'server', '--data-dir', dataDir, ...pairs]
    this.starts++
    this.#isFrozen = false
    this.#child = spawn(command[0]!, command.slice(1), {
      // With a channel it stops when this process is gone.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...cleanEnvironment(), ...this.#options.environment, ...environment },
    })
    this.#child.stderr!.setEncoding('utf8').on('data', (part: string) => {
      this.#said = (this.#said + part).slice(-saidCharactersMax)
    })
  }

  /** Resolves when it has ended. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.thaw()
    this.#child?.kill(signal)
    await this.ended()
  }

  /** By itself, or because it is being stopped. */
  async ended(): Promise<number | null> {
    if (this.#child === null) return null
    if (this.isRunning) await once(this.#child, 'exit')
    return this.#child.exitCode
  }

  freeze(): void {
    this.#isFrozen = true
    this.#child!.kill('SIGSTOP')
  }

  thaw(): void {
    if (this.#isFrozen) this.#child!.kill('SIGCONT')
    this.#isFrozen = false
  }

  wipe(): void {
    assert.ok(!this.isRunning, `node ${this.id} runs`)
    rmSync(this.dataDir, { recursive: true, force: true })
  }

  /** Orders to the storage shim; resolves when they are in force. */
  async order(environment: Readonly<Record<string, string>>): Promise<void> {
    const child = this.#child!
    const done = once(child, 'message', { signal: AbortSignal.timeout(30_000) })
    child.send({ environment })
    await done
  }

  /** As `/readyz` says, past everything that is in the way of clients. */
  async isReady(): Promise<boolean> {
    const { host, clientPort } = this.#options
    try {
      const { status } = await fetch(`http://${host}:${clientPort}/readyz`, { signal: AbortSignal.timeout(2_000) })
      return status === 200
    } catch {
      return false
    }
  }

  async untilReady(): Promise<void> {
    while (!(await this.isReady())) {
      assert.ok(this.isRunning, `node ${this.id} ended: ${this.#said}`)
      await pause(pollMs)
    }
  }
}

/** Without anything Millrace would read as a setting. */
function cleanEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MILLRACE_')))
}
