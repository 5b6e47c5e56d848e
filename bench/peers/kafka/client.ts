/** PerfClient.java as a process: one command at a time, the lines it prints, and the CPU time it took. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { stop } from '../tools.ts'

/** As bin/kafka-producer-perf-test.sh gives it. */
const heap = '-Xmx512M'

export interface CommandOutput {
  readonly lines: readonly string[]
  readonly cpuSeconds: number
}

export class PerfClient implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  constructor(classPath: string) {
    const source = path.join(import.meta.dirname, 'PerfClient.java')
    this.#child = spawn('java', [heap, '-cp', classPath, source], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]()
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Rejects when the command failed, or the process ended. */
  async run(...words: readonly (string | number)[]): Promise<CommandOutput> {
    this.#child.stdin.write(`${words.join(' ')}\n`)
    const lines: string[] = []
    for (;;) {
      const { value: line, done } = await this.#lines.next()
      if (done === true) throw new Error(`Kafka's client ended: ${lines.join(' / ')}`)
      const end = /^@(done|failed) (.*)$/.exec(line)
      if (end === null) lines.push(line)
      else if (end[1] === 'done') return { lines, cpuSeconds: Number(end[2]) }
      else throw new Error(`Kafka's client: ${end[2]}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stop([this.#child])
  }
}
