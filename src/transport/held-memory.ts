/**
 * Bodies of answers that account for their memory (`Disposable`): each is disposed of when its bytes have left the
 * socket's buffer, give or take its high mark, or when nobody will take them any more. Until then they count.
 */
export class HeldMemory {
  readonly #bodies: Disposable[] = []

  get isHolding(): boolean {
    return this.#bodies.length > 0
  }

  /** `isTaken`: the reader has taken all that was sent, or never will. */
  hold(body: unknown, isTaken: boolean): void {
    if ((body as Partial<Disposable> | null | undefined)?.[Symbol.dispose] !== undefined) {
      this.#bodies.push(body as Disposable)
    }
    if (isTaken) this.release()
  }

  release(): void {
    if (this.#bodies.length === 0) return
    for (const body of this.#bodies.splice(0)) body[Symbol.dispose]()
  }
}
