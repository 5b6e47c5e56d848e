/**
 * A stack of things to close in reverse order: Node 20 has `Symbol.asyncDispose` but not `AsyncDisposableStack`.
 * A start pushes what it opens; if a later step throws, `dispose` unwinds; when all went well the owner keeps the stack.
 */
export class Disposables {
  readonly #closers: Array<() => void | PromiseLike<void>> = []
  #closing: Promise<void> | null = null

  /** Registers `resource` and returns it. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(() => resource[Symbol.asyncDispose]())
    return resource
  }

  /** Registers a closing step. */
  defer(close: () => void | PromiseLike<void>): void {
    this.#closers.push(close)
  }

  /** Closes everything, last opened first, once. Every step runs even if one before it failed; the first failure is thrown at the end. */
  dispose(): Promise<void> {
    this.#closing ??= this.#run()
    return this.#closing
  }

  async #run(): Promise<void> {
    let failure: { error: unknown } | null = null
    while (this.#closers.length > 0) {
      try {
        await this.#closers.pop()!()
      } catch (error) {
        failure ??= { error }
      }
    }
    if (failure !== null) throw failure.error
  }
}
