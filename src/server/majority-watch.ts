/**
 * Whether the voters that this node hears, itself included, are a majority. Without one nobody answers a node that stops:
 * no leadership moves, no broker is let go, and there is nothing to wait for.
 */
import type { PeerNetwork } from '../quorum/network/types.ts'
import type { QuorumStatus } from '../quorum/types.ts'

export class MajorityWatch implements Disposable {
  readonly #lost = new AbortController()
  readonly #stop: () => void

  /** `network` is `null` for a node that has no others. */
  constructor(status: () => QuorumStatus, network: Pick<PeerNetwork, 'onGone'> | null) {
    const look = (): void => {
      const { voters, votersHeard } = status()
      if (2 * votersHeard <= voters.length) this.#lost.abort()
    }
    this.#stop = network?.onGone(look) ?? (() => {})
    if (network !== null) look()
  }

  /** Aborted when the majority is gone. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Resolves with `promise`, or when the majority is gone. */
  async unlessLost(promise: Promise<unknown>): Promise<void> {
    const lost = new Promise<void>(resolve => {
      if (this.lost.aborted) resolve()
      this.lost.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([promise, lost])
  }

  [Symbol.dispose](): void {
    this.#stop()
  }
}
