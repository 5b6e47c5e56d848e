/**
 * The writes under way. Their promises settle in the order of the calls, whatever order the answers come in; each has a
 * deadline, because LMDB may never answer (after one failed write its next promise stays pending for ever); and the
 * first failure rejects them all, and every later one: nobody knows what the file holds by then.
 */
import { StorageError } from '../util/errors.ts'

interface Pending {
  isDone: boolean
  resolve(): void
  reject(error: StorageError): void
  readonly timer: NodeJS.Timeout
}

export class PendingWrites {
  readonly #where: string
  readonly #deadlineMs: number
  #queue: Pending[] = []
  #failure: StorageError | null = null

  constructor(where: string, deadlineMs: number) {
    this.#where = where
    this.#deadlineMs = deadlineMs
  }

  get failure(): StorageError | null {
    return this.#failure
  }

  /** Runs `start` at once, in the caller's turn; settles after everything added before. */
  add(start: () => Promise<unknown>): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return new Promise<void>((resolve, reject) => {
      const late = `no answer within ${this.#deadlineMs} ms`
      const timer = setTimeout(() => this.fail(new StorageError(this.#where, late)), this.#deadlineMs)
      const pending: Pending = { isDone: false, resolve, reject, timer }
      this.#queue.push(pending)
      const onError = (error: unknown): void => this.fail(asStorageError(this.#where, error))
      try {
        start().then(() => this.#onDone(pending), onError)
      } catch (error) {
        onError(error)
      }
    })
  }

  /** Rejects what is under way and everything that comes. The first error stays. */
  fail(error: StorageError): void {
    this.#failure ??= error
    const queue = this.#queue
    this.#queue = []
    for (const pending of queue) {
      clearTimeout(pending.timer)
      pending.reject(this.#failure)
    }
  }

  #onDone(done: Pending): void {
    done.isDone = true
    while (this.#queue[0]?.isDone) {
      const first = this.#queue.shift()!
      clearTimeout(first.timer)
      first.resolve()
    }
  }
}

function asStorageError(where: string, error: unknown): StorageError {
  if (error instanceof StorageError) return error
  return new StorageError(where, error instanceof Error ? error.message : String(error), { cause: error })
}
