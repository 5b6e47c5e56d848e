/** `millrace` commands in one process that stays (millrace-client.cjs), one at a time. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { ended } from './processes.ts'

interface Answer {
  readonly printed: string
  readonly exitCode: number
}

/** As the command line has it for arguments that it does not know. */
const usageExitCode = 2

export class CommandError extends Error {
  readonly isUsage: boolean

  constructor(args: readonly string[], exitCode: number) {
    super(`millrace ${args.join(' ')} ended with ${exitCode}`)
    this.isUsage = exitCode === usageExitCode
  }
}

export class MillraceClient implements AsyncDisposable {
  readonly #child: ChildProcess

  constructor(checkout: string) {
    const program = path.join(import.meta.dirname, 'millrace-client.cjs')
    this.#child = fork(program, [path.join(checkout, 'dist', 'cli', 'main.js')], {
      // As `bin/millrace.cjs` sets them.
      execArgv: ['--heap-growing-percent=900'],
      env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** What the command prints. Rejects with `CommandError` when it fails; why is on standard error. */
  async run(...args: string[]): Promise<string> {
    const ending = new AbortController()
    this.#child.send(args)
    try {
      const [answer] = (await Promise.race([
        once(this.#child, 'message', { signal: ending.signal }),
        once(this.#child, 'exit', { signal: ending.signal }).then(([code]) => [{ printed: '', exitCode: code ?? 1 }]),
      ])) as [Answer]
      if (answer.exitCode !== 0) throw new CommandError(args, answer.exitCode)
      return answer.printed
    } finally {
      ending.abort()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await ended(this.#child)
  }
}
