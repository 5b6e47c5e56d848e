/**
 * A client of the bank. It asks any node and repeats its request, with the same number, until it has an answer: that the
 * request is applied once is the bank's business.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Account, Answer, Command } from './bank.ts'
import type { BankRequest } from './node.ts'

export class BankClient {
  readonly #id: string
  readonly #urls: readonly string[]
  #nextUrl: number
  #latest: BankRequest | null = null
  /** Requests that were sent, each retry counted. */
  attempts = 0

  /** `firstUrl`: which of the nodes is asked first. */
  constructor(id: string, urls: readonly string[], firstUrl = 0) {
    this.#id = id
    this.#urls = urls
    this.#nextUrl = firstUrl
  }

  open(account: string, balance: number): Promise<Answer> {
    return this.#command({ kind: 'open', account, balance })
  }

  withdraw(account: string, amount: number): Promise<Answer> {
    const by = `${this.#id}/${this.#nextRequestId}`
    return this.#command({ kind: 'withdraw', account, amount, by })
  }

  /** Asks the latest request once more, as a network might that holds on to a copy. */
  repeat(): Promise<Answer> {
    const { command } = this.#latest!
    return this.#ask(command.account, { method: 'POST', body: JSON.stringify(this.#latest) })
  }

  /** What is true now, whichever node leads. */
  account(name: string): Promise<Account> {
    return this.#ask(name)
  }

  #command(command: Command): Promise<Answer> {
    this.#latest = { session: { clientId: this.#id, requestId: this.#nextRequestId }, command }
    return this.repeat()
  }

  get #nextRequestId(): number {
    return (this.#latest?.session.requestId ?? 0) + 1
  }

  async #ask<Body>(account: string, request: RequestInit = {}): Promise<Body> {
    for (;;) {
      const url = `${this.#urls[this.#nextUrl]}/accounts/${encodeURIComponent(account)}`
      this.attempts++
      try {
        const response = await fetch(url, { ...request, signal: AbortSignal.timeout(5_000) })
        if (response.ok) return (await response.json()) as Body
      } catch {
        // The node is gone, or went while we waited: nobody knows what became of the request, so it is asked again.
      }
      this.#nextUrl = (this.#nextUrl + 1) % this.#urls.length
      await sleep(20)
    }
  }
}
