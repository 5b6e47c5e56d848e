/** The bank as a state machine: accounts that never go below zero, and a ledger that says what was done to each. */
import type { RaftEntry, RaftStateMachine } from '../../src/server/raft/index.ts' // 'millrace/raft'

export type Command =
  | { readonly kind: 'open'; readonly account: string; readonly balance: number }
  | { readonly kind: 'withdraw'; readonly account: string; readonly amount: number; readonly by: string }

export type Answer =
  | { readonly kind: 'done'; readonly balance: number }
  | { readonly kind: 'refused'; readonly reason: string; readonly balance: number }

export interface Account {
  readonly balance: number
  /** Every withdrawal, in the order in which it was applied. */
  readonly ledger: readonly { readonly by: string; readonly amount: number }[]
}

export class Bank implements RaftStateMachine<Answer> {
  #accounts = new Map<string, Account>()

  account(name: string): Account | null {
    return this.#accounts.get(name) ?? null
  }

  apply({ data }: RaftEntry): Answer {
    const command = JSON.parse(new TextDecoder().decode(data)) as Command
    const account = this.#accounts.get(command.account)
    if (command.kind === 'open') {
      if (account !== undefined) return refusal('The account exists.', account)
      this.#accounts.set(command.account, { balance: command.balance, ledger: [] })
      return { kind: 'done', balance: command.balance }
    }
    if (account === undefined) return refusal('There is no such account.', account)
    const { amount, by } = command
    if (amount > account.balance) return refusal('The balance is too low.', account)
    const balance = account.balance - amount
    this.#accounts.set(command.account, { balance, ledger: [...account.ledger, { by, amount }] })
    return { kind: 'done', balance }
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify([...this.#accounts]))
  }

  restore(snapshot: Uint8Array): void {
    this.#accounts = new Map(JSON.parse(new TextDecoder().decode(snapshot)) as [string, Account][])
  }
}

function refusal(reason: string, account: Account | undefined): Answer {
  return { kind: 'refused', reason, balance: account?.balance ?? 0 }
}
