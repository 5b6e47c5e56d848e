/** How an admin request is made: to the controller, with a session if it changes something, again while that may help. */
import type { Api } from '../../protocol/api.ts'
import { ApiError, errorName, errorTable } from '../../protocol/errors.ts'
import { type Cluster, isRetriable } from '../cluster.ts'
import { backoffDelayMs, sleep } from '../wait.ts'

interface ItemAnswer {
  readonly name: string
  readonly errorCode: number
  readonly errorMessage: string | null
}

interface Session {
  clientId: string
  requestId: number
}

export class AdminRequests {
  readonly #cluster: Cluster
  readonly #signal: AbortSignal
  readonly #clientId: string
  #lastRequestId = 0

  constructor(cluster: Cluster, signal: AbortSignal) {
    this.#cluster = cluster
    this.#signal = signal
    this.#clientId = [...cluster.settings.random.nextBytes(16)].map(byte => byte.toString(16).padStart(2, '0')).join('')
  }

  /** Asks the controller to change something. Every attempt carries the same session. */
  change<Q extends { session: Session | null }, S>(
    api: Api<Q, S>,
    body: Omit<Q, 'session' | 'timeoutMs'>,
    itemsOf: (response: S) => readonly ItemAnswer[],
  ): Promise<S> {
    const session = { clientId: this.#clientId, requestId: ++this.#lastRequestId }
    const { requestTimeoutMs } = this.#cluster.settings
    // The node ignores fields an API does not have: they are not part of its positional body.
    return this.ask(api, { ...body, session, timeoutMs: requestTimeoutMs } as unknown as Q, itemsOf, true)
  }

  /** Asks the controller, as far as it is known, and any node otherwise. */
  ask<Q, S>(
    api: Api<Q, S>,
    body: Q,
    itemsOf: (response: S) => readonly ItemAnswer[],
    isByController = false,
  ): Promise<S> {
    const attempt = async (): Promise<S> => {
      const connection = await this.#cluster.connectToController()
      const response = await connection.request(api, body, { signal: this.#signal })
      throwRefused(itemsOf(response))
      return response
    }
    return this.retry(attempt, isByController)
  }

  /** Calls `attempt` until it succeeds, fails for good, or it has been long enough. */
  async retry<T>(attempt: () => Promise<T>, isByController = false): Promise<T> {
    const { clock, random } = this.#cluster.settings
    const startMs = clock.nowMs()
    for (let failures = 1; ; failures++) {
      try {
        // The view says who the controller is, and after a failure it may be another.
        if (this.#cluster.clusterId === null || failures > 1) await this.#cluster.refresh()
        return await attempt()
      } catch (error) {
        if (!isRetriable(error) || clock.nowMs() - startMs >= this.#patienceMs(error, isByController)) throw error
      }
      await sleep(clock, backoffDelayMs(this.#cluster.settings, failures, random), this.#signal)
    }
  }

  /** How long an error of this kind is worth another attempt. */
  #patienceMs(error: unknown, isByController: boolean): number {
    const { requestTimeoutMs, metadataTimeoutMs } = this.#cluster.settings
    if (error instanceof ApiError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION') {
      // A topic that was just created is known everywhere within moments; the controller knows it at once.
      return isByController ? 0 : Math.min(1_000, metadataTimeoutMs)
    }
    // Until a node has been reached once it is more likely that the address is wrong than that the cluster is slow.
    return this.#cluster.clusterId === null ? metadataTimeoutMs : requestTimeoutMs
  }
}

function throwRefused(items: readonly ItemAnswer[]): void {
  const refused = items.filter(item => item.errorCode !== 0)
  if (refused.length === 0) return
  // What will not pass by itself is the answer; what may is a reason to ask again only if all of it may.
  const first = refused.find(item => !errorTable[errorName(item.errorCode)!].retriable) ?? refused[0]!
  const sentences = refused.map(item => {
    const code = errorName(item.errorCode)!
    const message = item.errorMessage ?? errorTable[code].message
    return items.length === 1 ? `'${item.name}': ${message}` : `'${item.name}': ${code}: ${message}`
  })
  throw new ApiError(errorName(first.errorCode)!, sentences.join('; '))
}
