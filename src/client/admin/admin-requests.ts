/** How an admin request is made: to the controller, with a session if it changes something, again while that may help. */
import type { Api } from '../../protocol/api.ts'
import { ApiError, type ErrorName, errorName, errorTable } from '../../protocol/errors.ts'
import { secondMs } from '../../util/units.ts'
import { type Cluster, isRetriable } from '../cluster.ts'
import type { Connection } from '../connection.ts'
import { backoffDelayMs, sleep } from '../wait.ts'
import { AdminSession, type RequestSession } from './admin-session.ts'

interface ItemAnswer {
  readonly name: string
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** After these the request may have been done. */
const openOutcomes: readonly ErrorName[] = ['NETWORK_EXCEPTION', 'REQUEST_TIMED_OUT']

/** Nodes that can hang before a request has failed. */
const attemptsPerTimeout = 3
/** A controller quorum without a leader has one again by then, if it can have one. */
const electionMs = 5 * secondMs
/** Longer than the node may take: what it says of a timeout says more than silence. */
const answerMarginMs = 500

export class AdminRequests {
  readonly #cluster: Cluster
  readonly #signal: AbortSignal
  readonly #session: AdminSession

  constructor(cluster: Cluster, signal: AbortSignal) {
    this.#cluster = cluster
    this.#signal = signal
    this.#session = new AdminSession(cluster.settings.random)
  }

  /**
   * Asks the controller to change something, in as many requests as there are bodies, one after the other, and only then
   * throws for the items that were refused. Every attempt of a request carries the same session, so that its answer is
   * final: asked again, it would be the same.
   */
  async change<Q extends { session: RequestSession | null }, S>(
    api: Api<Q, S>,
    bodies: ReadonlyArray<Omit<Q, 'session' | 'timeoutMs'>>,
    itemsOf: (response: S) => readonly ItemAnswer[],
  ): Promise<S[]> {
    const answers: S[] = []
    for (const body of bodies) {
      const request = (session: RequestSession): Promise<S> =>
        // A body is positional: what an API has no field for stays here.
        this.ask(api, timeoutMs => ({ ...body, session, timeoutMs }) as unknown as Q)
      answers.push(await this.#session.inTurn(request))
    }
    throwRefused(answers.flatMap(itemsOf))
    return answers
  }

  /**
   * Asks the controller, or the broker `nodeId`, as far as its address is known, and any node otherwise, which asks the
   * controller for us. `bodyOf` is told how long the node may take.
   */
  ask<Q, S>(
    api: Api<Q, S>,
    bodyOf: (timeoutMs: number) => Q,
    itemsOf: (response: S) => readonly ItemAnswer[] = () => [],
    nodeId: number | null = null,
  ): Promise<S> {
    const timeoutMs = this.#attemptTimeoutMs
    const options = { timeoutMs: timeoutMs + answerMarginMs, signal: this.#signal }
    const request = (connection: Connection) => connection.request(api, bodyOf(timeoutMs), options)
    return this.retry(async () => {
      const response = await (nodeId === null
        ? this.#cluster.askController(request)
        : this.#cluster.askNode(nodeId, request))
      throwRefused(itemsOf(response))
      return response
    })
  }

  /**
   * Asks the controller to change its quorum, which may take long and has no session. `whenRepeated`: the answer, if the
   * refusal of an attempt says that an earlier one without an answer was successful.
   */
  changeQuorum<Q, S>(
    api: Api<Q, S>,
    bodyOf: (timeoutMs: number) => Q,
    options: { timeoutMs?: number; whenRepeated?: (refusal: ApiError) => S | null },
  ): Promise<S> {
    const { clock, requestTimeoutMs } = this.#cluster.settings
    const patienceMs = options.timeoutMs ?? requestTimeoutMs
    const endMs = clock.nowMs() + patienceMs
    let isRepeated = false
    return this.retry(async () => {
      const timeoutMs = Math.max(1, Math.ceil(endMs - clock.nowMs()))
      const requestOptions = { timeoutMs: timeoutMs + answerMarginMs, signal: this.#signal }
      try {
        return await this.#cluster.askController(connection =>
          connection.request(api, bodyOf(timeoutMs), requestOptions),
        )
      } catch (error) {
        const answer = isRepeated && error instanceof ApiError ? (options.whenRepeated?.(error) ?? null) : null
        if (answer !== null) return answer
        isRepeated ||= error instanceof ApiError && openOutcomes.includes(error.code)
        throw error
      }
    }, patienceMs)
  }

  /** Calls `attempt` until it succeeds, fails for good, or it has been long enough. */
  async retry<T>(attempt: () => Promise<T>, timeoutMs = this.#cluster.settings.requestTimeoutMs): Promise<T> {
    const { clock, random } = this.#cluster.settings
    const startMs = clock.nowMs()
    for (let failures = 1; ; failures++) {
      try {
        // The view says who the controller is, and after a failure it may be another.
        if (this.#cluster.clusterId === null || failures > 1) await this.#cluster.refresh()
        return await attempt()
      } catch (error) {
        if (!isRetriable(error) || clock.nowMs() - startMs >= this.#patienceMs(error, timeoutMs)) throw error
      }
      await sleep(clock, backoffDelayMs(this.#cluster.settings, failures, random), this.#signal)
    }
  }

  /** A node that hangs must leave time to ask another. */
  get #attemptTimeoutMs(): number {
    return Math.max(1, Math.floor(this.#cluster.settings.requestTimeoutMs / attemptsPerTimeout))
  }

  /** How long an error of this kind is worth another attempt. */
  #patienceMs(error: unknown, timeoutMs: number): number {
    // Whoever says so has proved that it is current.
    if (error instanceof ApiError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION') return 0
    // Nodes wait for a leader themselves before they say so: after that another one is asked, and that is all.
    if (error instanceof ApiError && error.code === 'NOT_CONTROLLER') {
      return Math.min(timeoutMs, Math.max(this.#cluster.settings.metadataTimeoutMs, electionMs))
    }
    // Until a node has been reached once it is more likely that the address is wrong than that the cluster is slow.
    return this.#cluster.clusterId === null ? this.#cluster.settings.metadataTimeoutMs : timeoutMs
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
