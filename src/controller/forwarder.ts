/**
 * Brings requests to the active controller, wherever it is, and follows it when it moves. It never guesses: what cannot
 * be asked in time is `NOT_CONTROLLER` when nobody is known to lead, `REQUEST_TIMED_OUT` when the outcome is open. Bodies
 * go unchanged, with their client's session, so that a request made again at the next leader is done once and gets its
 * first answer; one without a session is not made again once it may have been done.
 */
import type { Api } from '../protocol/api.ts'
import { ApiError } from '../protocol/errors.ts'
import type { QuorumStatus } from '../quorum/types.ts'
import type { Clock } from '../util/clock.ts'
import { AbortError } from '../util/errors.ts'
import type { NodeId } from '../util/numbers.ts'
import type { ActiveController } from './active-controller.ts'
import { notController } from './decision-writer.ts'
import type { ControllerNetwork } from './network.ts'
import type { ControllerSettings } from './options.ts'
import { isRepeatable, timeoutFor } from './requests.ts'

const pauseMsMin = 10
const pauseMsMax = 250

interface UnderWay {
  readonly leaderId: NodeId
  /** The request gives up on its leader. */
  readonly abort: AbortController
}

export interface ForwarderOptions {
  readonly settings: ControllerSettings
  readonly local: ActiveController
  readonly network: ControllerNetwork | null
  /** Of this node's member of the quorum, which knows who leads. */
  readonly status: () => QuorumStatus
}

export class Forwarder {
  readonly #settings: ControllerSettings
  readonly #clock: Clock
  readonly #local: ActiveController
  readonly #network: ControllerNetwork | null
  readonly #status: () => QuorumStatus
  /** Requests at another node that may be made again elsewhere. */
  readonly #underWay = new Set<UnderWay>()
  readonly #closing = new AbortController()

  constructor({ settings, local, network, status }: ForwarderOptions) {
    this.#settings = settings
    this.#clock = settings.clock
    this.#local = local
    this.#network = network
    this.#status = status
  }

  /** Requests are refused with `SHUTTING_DOWN`, also those under way. */
  close(): void {
    this.#closing.abort()
  }

  /** A leader that hangs, or is on the other side of a cut, is not waited for once another is known, or none. */
  onLeader(leaderId: NodeId | null): void {
    for (const request of [...this.#underWay]) {
      if (request.leaderId !== leaderId) request.abort.abort(new AbortError('another node leads'))
    }
  }

  /** Rejects with what the active controller refuses with, and as above. */
  async request<Request, Response>(api: Api<Request, Response>, body: Request): Promise<Response> {
    const endMs = this.#clock.nowMs() + timeoutFor(api, body, this.#settings)
    const mayRepeat = isRepeatable(api, body)
    let leaderKnownMs = this.#clock.nowMs()
    for (let pauseMs = pauseMsMin; ; pauseMs = Math.min(pauseMsMax, pauseMs * 2)) {
      const { leaderId } = this.#status()
      if (leaderId !== null) leaderKnownMs = this.#clock.nowMs()
      try {
        return await this.#ask(leaderId, api, body, endMs, mayRepeat)
      } catch (error) {
        if (this.#closing.signal.aborted) throw new ApiError('SHUTTING_DOWN')
        if (this.#network === null || !isPassing(error, mayRepeat)) throw error
        const nowMs = this.#clock.nowMs()
        if (leaderId === null && nowMs - leaderKnownMs >= this.#settings.leaderWaitMs) throw error
        if (nowMs + pauseMs >= endMs) throw leaderId === null ? error : timedOut(leaderId, error)
      }
      await this.#pause(pauseMs)
    }
  }

  #ask<Request, Response>(
    leaderId: NodeId | null,
    api: Api<Request, Response>,
    body: Request,
    endMs: number,
    mayRepeat: boolean,
  ): Promise<Response> {
    if (this.#closing.signal.aborted) return Promise.reject(new ApiError('SHUTTING_DOWN'))
    if (leaderId === this.#settings.nodeId) return this.#local.answer(api, body)
    if (leaderId === null || this.#network === null) return Promise.reject(notController(this.#status()))
    return this.#askThere(this.#network, leaderId, api, body, endMs, mayRepeat)
  }

  async #askThere<Request, Response>(
    network: ControllerNetwork,
    leaderId: NodeId,
    api: Api<Request, Response>,
    body: Request,
    endMs: number,
    mayRepeat: boolean,
  ): Promise<Response> {
    const underWay = { leaderId, abort: new AbortController() }
    const signal = AbortSignal.any([underWay.abort.signal, this.#closing.signal])
    const timeoutMs = Math.max(1, endMs - this.#clock.nowMs())
    if (mayRepeat) this.#underWay.add(underWay)
    try {
      return await network.request(leaderId, api, body, { timeoutMs, signal })
    } finally {
      this.#underWay.delete(underWay)
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise(resolve => {
      const { signal } = this.#closing
      const done = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = this.#clock.setTimer(delayMs, done)
      signal.addEventListener('abort', done)
    })
  }
}

/** Another attempt, here or at another node, may go better, and does no harm. */
function isPassing(error: unknown, mayRepeat: boolean): boolean {
  if (error instanceof AbortError) return true
  if (!(error instanceof ApiError)) return false
  // Whoever is not the controller, or stops, has done nothing.
  if (error.code === 'NOT_CONTROLLER' || error.code === 'SHUTTING_DOWN') return true
  // Nobody knows what became of it.
  return (error.code === 'NETWORK_EXCEPTION' || error.code === 'REQUEST_TIMED_OUT') && mayRepeat
}

function timedOut(leaderId: NodeId, cause: unknown): ApiError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ApiError(
    'REQUEST_TIMED_OUT',
    `Node ${leaderId}, the active controller, gave no answer in time: ${reason}`,
    {
      cause,
    },
  )
}
