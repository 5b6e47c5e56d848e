/** `millrace` commands in one process that stays (millrace-client.cjs), one at a time. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { ended } from './processes.ts'

interface Answer {
  readonly printed: string
  readonly exitCode: number
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

  /** What the command prints. Rejects when it fails. */
  async run(...args: string[]): Promise<string> {
    const ending = new AbortController()
    this.#child.send(args)
    try {
      const [answer] = (await Promise.race([
        once(this.#child, 'message', { signal: ending.signal }),
        once(this.#child, 'exit', { signal: ending.signal }).then(([code]) => [{ printed: '', exitCode: code ?? 1 }]),
      ])) as [Answer]
      if (answer.exitCode !== 0) throw new Error(`millrace ${args.join(' ')} ended with ${answer.exitCode}`)
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
