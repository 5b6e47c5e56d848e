/**
 * This node's standing as a broker: registers with the controller, tells it at intervals that it lives, registers anew
 * when the controller no longer knows it, and says goodbye before a stop so that others can lead what it led.
 */
import type { BrokerRegistration, Controller } from '../controller/types.ts'
import { ApiError } from '../protocol/errors.ts'
import type { Clock, Timer } from '../util/clock.ts'
import { AbortError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import type { BrokerEpoch } from '../util/numbers.ts'

export interface RegistrationOptions {
  readonly controller: Controller
  readonly registration: BrokerRegistration
  readonly clock: Clock
  readonly logger: Logger
  /** `broker.heartbeat.interval.ms` */
  readonly heartbeatIntervalMs: number
}

const retryMsMin = 2
const retryMsMax = 500

export class BrokerMembership implements AsyncDisposable {
  readonly #options: RegistrationOptions
  #epoch: BrokerEpoch
  #isFenced = false
  #timer: Timer | null = null
  #beating: Promise<void> = Promise.resolve()
  #isClosed = false

  private constructor(options: RegistrationOptions, epoch: BrokerEpoch) {
    this.#options = options
    this.#epoch = epoch
    this.#schedule()
  }

  /** Resolves once the registration is committed; tries as long as the failure may pass. */
  static async open(options: RegistrationOptions): Promise<BrokerMembership> {
    const { controller, registration, clock } = options
    const epoch = await untilAnswered(clock, () => controller.registerBroker(registration))
    return new BrokerMembership(options, epoch)
  }

  get isFenced(): boolean {
    return this.#isFenced
  }

  /** Asks the controller to move leaderships away. Resolves when this broker may stop or `graceMs` is over. */
  async drain(graceMs: number): Promise<void> {
    const { controller, registration, clock, logger } = this.#options
    this.#timer?.cancel()
    await this.#beating
    const endMs = clock.nowMs() + graceMs
    for (let pauseMs = 10; ; pauseMs = Math.min(retryMsMax, pauseMs * 2)) {
      try {
        const { mayStop } = await controller.heartbeat(registration.nodeId, this.#epoch, true)
        if (mayStop) return
      } catch (error) {
        logger.warn({ error }, 'the controller did not hear that this broker stops')
        return
      }
      if (clock.nowMs() + pauseMs >= endMs) return
      await pause(clock, pauseMs)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#beating
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(this.#options.heartbeatIntervalMs, () => {
      this.#beating = this.#beat().then(() => {
        if (!this.#isClosed) this.#schedule()
      })
    })
  }

  async #beat(): Promise<void> {
    const { controller, registration, logger } = this.#options
    try {
      const { isFenced } = await controller.heartbeat(registration.nodeId, this.#epoch, false)
      this.#isFenced = isFenced
    } catch (error) {
      const isUnknown =
        error instanceof ApiError && (error.code === 'STALE_BROKER_EPOCH' || error.code === 'BROKER_ID_NOT_REGISTERED')
      logger.warn({ error, epoch: this.#epoch }, isUnknown ? 'registering anew' : 'a heartbeat failed')
      if (isUnknown) await this.#registerAnew()
    }
  }

  async #registerAnew(): Promise<void> {
    const { controller, registration, logger } = this.#options
    try {
      this.#epoch = await controller.registerBroker(registration)
    } catch (error) {
      this.#isFenced = true
      logger.error({ error }, 'this broker could not register anew; the next heartbeat tries again')
    }
  }
}

/** Repeats `ask` while its failure is one that passes by itself: no leader yet, no answer in time. */
export async function untilAnswered<T>(clock: Clock, ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let pauseMs = retryMsMin; ; pauseMs = Math.min(retryMsMax, pauseMs * 2)) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof ApiError) || !error.isRetriable) throw error
      if (signal?.aborted) throw new AbortError('the start was cancelled', { cause: error })
    }
    await pause(clock, pauseMs)
  }
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise(resolve => clock.setTimer(ms, resolve))
}
