/**
 * One commit at a time. What is asked for while it is under way is gathered and becomes the next one, so that a busy disk
 * costs fewer commits and not more; and after a commit that failed none was begun that relies on it.
 *
 * Promises settle in the order of the calls. A commit has a deadline, because LMDB may never answer (after one failed
 * write its next promise stays pending for ever). The first failure rejects everything that waits and everything that
 * comes: nobody knows what the file holds by then.
 */
import type { Timer } from '../util/clock.ts'
import { StorageError } from '../util/errors.ts'
import type { Change, KeyValueStore } from './key-value-store.ts'
import { encodeJson, type StoredState, stateKey } from './records.ts'

export interface CommitQueueOptions {
  /** A commit without an answer for this long has failed. */
  readonly deadlineMs: number
  setTimer(delayMs: number, fn: () => void): Timer
}

interface Commit {
  readonly changes: Change[]
  /** The newest of those that were asked for; `null`: as it is on disk. */
  state: StoredState | null
  readonly settled: Promise<void>
  resolve(): void
  reject(error: StorageError): void
}

export class CommitQueue {
  readonly #store: KeyValueStore
  readonly #options: CommitQueueOptions
  #underWay: Commit | null = null
  #gathered: Commit | null = null
  #failure: StorageError | null = null

  constructor(store: KeyValueStore, options: CommitQueueOptions) {
    this.#store = store
    this.#options = options
  }

  get failure(): StorageError | null {
    return this.#failure
  }

  /** Resolves when `changes` and, unless it is `null`, `state` are durable. The values are the queue's from now on. */
  add(changes: readonly Change[], state: StoredState | null): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (this.#gathered === null) {
      this.#gathered = newCommit()
      // What else this turn of the event loop asks for goes along.
      queueMicrotask(() => this.#start())
    }
    for (const change of changes) this.#gathered.changes.push(change)
    this.#gathered.state = state ?? this.#gathered.state
    return this.#gathered.settled
  }

  /** Resolves after everything that was added. */
  settled(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return this.#gathered?.settled ?? this.#underWay?.settled ?? Promise.resolve()
  }

  /** Rejects what is under way and everything that comes. The first error stays. */
  fail(error: StorageError): void {
    this.#failure ??= error
    for (const commit of [this.#underWay, this.#gathered]) commit?.reject(this.#failure)
    this.#underWay = null
    this.#gathered = null
  }

  #start(): void {
    const commit = this.#gathered
    if (commit === null || this.#underWay !== null) return
    this.#gathered = null
    this.#underWay = commit
    const { deadlineMs, setTimer } = this.#options
    const late = `no answer within ${deadlineMs} ms`
    const timer = setTimer(deadlineMs, () => this.fail(new StorageError(this.#store.where, late)))
    const { changes, state } = commit
    if (state !== null) changes.push({ key: stateKey, value: encodeJson(stateKey, state) })
    this.#store.commit(changes).then(
      () => {
        timer.cancel()
        if (this.#underWay !== commit) return
        this.#underWay = null
        commit.resolve()
        this.#start()
      },
      error => {
        timer.cancel()
        this.fail(asStorageError(this.#store.where, error))
      },
    )
  }
}

function newCommit(): Commit {
  let resolve: () => void
  let reject: (error: StorageError) => void
  const settled = new Promise<void>((onDone, onError) => {
    resolve = onDone
    reject = onError
  })
  return { changes: [], state: null, settled, resolve: resolve!, reject: reject! }
}

function asStorageError(where: string, error: unknown): StorageError {
  if (error instanceof StorageError) return error
  return new StorageError(where, error instanceof Error ? error.message : String(error), { cause: error })
}
