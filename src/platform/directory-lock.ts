/**
 * Keeps a directory to one process at a time. A lock must be free again after SIGKILL, so it is a socket in the
 * directory, on which the holder listens: the kernel stops listening for the dead, whereas process ids come again, and
 * in a container are all 1.
 *
 * Every starter has a socket of a name nobody used before: bound and listening as `.lock-<random>.new`, then renamed to
 * `.lock-<random>`, so that one which refuses connections is dead for good and may be removed by anyone. Then it looks
 * at the others that are published and asks each: a holder wins; of two that are starting, the lower name does. It holds
 * the lock once a listing shows no other it has not beaten, in the same turn of the event loop, so that whoever publishes
 * later is told that it is held.
 *
 * Works between containers that share the directory on one machine, not between machines.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '../util/errors.ts'
import { minuteMs, secondMs } from '../util/units.ts'

export type DirectoryLock = AsyncDisposable

const publishedPattern = /^\.lock-[0-9a-f]{16}$/
const buildingPattern = /^\.lock-[0-9a-f]{16}\.new$/
/** A process that listens but says nothing, stopped perhaps, is alive. */
const answerTimeoutMs = 2 * secondMs
/** The shortest limit of a socket's path there is (macOS), less the terminating zero. */
const socketPathBytesMax = 103

interface Answer {
  readonly state: 'starting' | 'held'
  /** Who, for people. */
  readonly holder: string
}

/** Whether a name in a locked directory is the lock's. */
export function isLockFile(name: string): boolean {
  return publishedPattern.test(name) || buildingPattern.test(name)
}

/** Throws `ConfigError` when another process has the directory. `key` is the setting that names it. */
export async function lockDirectory(path: string, key: string): Promise<DirectoryLock> {
  const own = new OwnSocket(path, key)
  try {
    await own.publish()
    await contend(own)
    return own
  } catch (error) {
    await own[Symbol.asyncDispose]()
    throw error
  }
}

async function contend(own: OwnSocket): Promise<void> {
  const beaten = new Set<string>([own.name])
  for (;;) {
    const others = own.published().filter(name => !beaten.has(name))
    if (others.length === 0) {
      own.state = 'held'
      return
    }
    for (const name of others) {
      const answer = await own.ask(name)
      // It went away while we asked: the next listing tells.
      if (answer === 'hung up') continue
      const isLost = answer !== null && (answer.state === 'held' || name < own.name)
      if (isLost) throw new ConfigError(own.key, `${own.directory} is in use by ${answer.holder}`)
      if (answer === null) own.remove(name)
      beaten.add(name)
    }
  }
}

class OwnSocket implements DirectoryLock {
  readonly directory: string
  readonly key: string
  readonly name = `.lock-${randomBytes(8).toString('hex')}`
  state: Answer['state'] = 'starting'
  readonly #descriptor: number
  readonly #server: Server
  #closing: Promise<void> | null = null

  constructor(directory: string, key: string) {
    this.directory = directory
    this.key = key
    this.#descriptor = openSync(directory, 'r')
    const holder = `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}`
    this.#server = createServer(socket => {
      // One that asks and goes away is no reason to fall over.
      socket.on('error', () => {})
      socket.end(JSON.stringify({ state: this.state, holder } satisfies Answer))
    })
    this.#server.unref()
  }

  async publish(): Promise<void> {
    const building = `${this.name}.new`
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', error => reject(this.#refusal(error)))
      this.#server.listen(this.#address(building), resolve)
    })
    renameSync(join(this.directory, building), join(this.directory, this.name))
    for (const name of readdirSync(this.directory)) {
      // Left by one that died before it was published. A young one may be about to be.
      if (buildingPattern.test(name) && ageMs(join(this.directory, name)) > minuteMs) this.remove(name)
    }
  }

  published(): string[] {
    return readdirSync(this.directory).filter(name => publishedPattern.test(name))
  }

  remove(name: string): void {
    rmSync(join(this.directory, name), { force: true })
  }

  /** `null`: nobody listens there any more. */
  ask(name: string): Promise<Answer | null | 'hung up'> {
    const silent: Answer = { state: 'held', holder: 'a process that does not answer' }
    return new Promise(resolve => {
      const socket = connect(this.#address(name))
      const timer = setTimeout(() => finish(silent), answerTimeoutMs)
      let text = ''
      const finish = (answer: Answer | null | 'hung up'): void => {
        clearTimeout(timer)
        socket.destroy()
        resolve(answer)
      }
      socket.on('data', chunk => {
        text += chunk
      })
      socket.on('end', () => finish(parseAnswer(text) ?? 'hung up'))
      socket.on('error', ({ code }: NodeJS.ErrnoException) => {
        if (code === 'ECONNREFUSED' || code === 'ENOENT') finish(null)
        // Anything else says that somebody is there: a full backlog, a socket of another user.
        else finish(code === 'ECONNRESET' || code === 'EPIPE' ? 'hung up' : silent)
      })
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.remove(this.name)
    if (this.#server.listening) await new Promise(resolve => this.#server.close(resolve))
    closeSync(this.#descriptor)
  }

  /** A socket's path is short by law of the kernel; on Linux the open directory gives a short one to any. */
  #address(name: string): string {
    if (process.platform === 'linux') return `/proc/self/fd/${this.#descriptor}/${name}`
    const address = join(this.directory, name)
    if (Buffer.byteLength(address) <= socketPathBytesMax) return address
    throw new ConfigError(this.key, `${this.directory} is too long for its lock; expected a path of at most 70 bytes`)
  }

  #refusal(error: NodeJS.ErrnoException): ConfigError {
    return new ConfigError(this.key, `${this.directory} cannot be locked: ${error.message}`, { cause: error })
  }
}

function parseAnswer(text: string): Answer | null {
  try {
    return JSON.parse(text) as Answer
  } catch {
    return null
  }
}

function ageMs(path: string): number {
  try {
    return Date.now() - statSync(path).mtimeMs
  } catch {
    return 0
  }
}
