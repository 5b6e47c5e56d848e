/**
 * Between the core's writes and the storage: one call under way at a time, everything that gathers meanwhile is the
 * next one, and messages leave when what they promise is durable. The first failure ends it: nothing is retried.
 */
import type { Effect } from '../raft/input-effect.ts'
import { Outbox, type SendEffect } from '../raft/outbox.ts'
import type { RaftStorage } from '../raft/storage.ts'
import type { QuorumRules } from './rules.ts'

export interface WriterListener {
  send(effect: SendEffect): void
  /** Every write of the core up to `write` is durable. */
  onPersisted(write: number): void
  onFailure(error: Error): void
}

export class StorageWriter {
  readonly #storage: RaftStorage
  readonly #rules: QuorumRules
  readonly #listener: WriterListener
  readonly #outbox = new Outbox()
  #hasFailed = false

  constructor(storage: RaftStorage, rules: QuorumRules, listener: WriterListener) {
    this.#storage = storage
    this.#rules = rules
    this.#listener = listener
  }

  get isIdle(): boolean {
    return this.#outbox.isIdle
  }

  /** Takes `persist`, `persistSnapshot` and `send`; a message that waits for nothing leaves at once. */
  add(effect: Effect): void {
    if (effect.kind === 'send' && !this.#rules.messagesWaitForDisk) {
      this.#listener.send(effect)
      return
    }
    const free = this.#outbox.add(effect)
    if (free !== null) this.#listener.send(free)
  }

  /** Starts the next write, unless one is under way. */
  start(): void {
    const write = this.#hasFailed ? null : this.#outbox.next()
    if (write === null) return
    const writing =
      write.kind === 'batch'
        ? this.#storage.persist(write.batch)
        : this.#storage.installSnapshot(write.snapshot, write.hardState)
    writing.then(
      () => this.#onWritten(),
      error => {
        this.#hasFailed = true
        this.#listener.onFailure(error)
      },
    )
  }

  #onWritten(): void {
    const { write, messages } = this.#outbox.done()
    for (const message of messages) this.#listener.send(message)
    this.#listener.onPersisted(write)
  }
}
