/**
 * This node's standing as a broker: registers with the controller, tells it at intervals that it lives, registers anew
 * when the controller no longer knows it, and says goodbye before a stop so that others can lead what it led.
 */
import type { BrokerRegistration, Controller, PartitionPlace } from '../controller/types.ts'
import { ApiError } from '../protocol/errors.ts'
import type { Clock, Timer } from '../util/clock.ts'
import { AbortError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import type { BrokerEpoch } from '../util/numbers.ts'
import type { BrokerEpochs } from './broker-epochs.ts'

export interface RegistrationOptions {
  readonly controller: Controller
  readonly registration: Omit<BrokerRegistration, 'previousEpoch'>
  /** What this broker remembers of its registrations. */
  readonly epochs: Pick<BrokerEpochs, 'previous' | 'announce' | 'remember'>
  readonly clock: Clock
  readonly logger: Logger
  /** `broker.heartbeat.interval.ms` */
  readonly heartbeatIntervalMs: number
  /** `broker.session.timeout.ms`: so long this broker's former life may seem to be running. */
  readonly sessionTimeoutMs: number
  /** Calls its argument whenever another node is reached, for the first time or again. Returns the way to stop. */
  readonly onReached: (listener: () => void) => () => void
  /** Why nobody shall count on this broker for now, as a sentence; `null`: it can serve. Asked several times a second. */
  readonly fenceReason: () => string | null
  /** Partitions that the disk failed here, as far as the metadata do not say so yet. Asked as often. */
  readonly offlineNews: () => readonly PartitionPlace[]
  /** Ends the first registration. */
  readonly signal?: AbortSignal
}

const retryMsMin = 2
const retryMsMax = 500
/** So soon the controller hears that this broker is unfit, fit again, or has lost a partition: a disk that stands still announces nothing. */
const fitnessLookMs = 200
/** A former life is fenced a little after its session; whoever is heard of for longer lives. */
const sessionsOfFormerLife = 2

export class BrokerMembership implements Disposable {
  readonly #options: RegistrationOptions
  #epoch: BrokerEpoch
  #fencedBecause: string | null = null
  /** What the last heartbeat said. */
  #saidUnfit = false
  #lookTimer: Timer
  /** Of the next heartbeat; `null` while one is under way. */
  #timer: Timer | null = null
  /** Something has happened since the heartbeat under way began that asks for another one. */
  #isDue = false
  #beating: Promise<void> = Promise.resolve()
  /** Says no more that it lives. */
  #isLeaving = false
  readonly #stops: readonly (() => void)[]

  private constructor(options: RegistrationOptions, epoch: BrokerEpoch) {
    this.#options = options
    this.#epoch = epoch
    this.#schedule()
    this.#lookTimer = this.#lookLater()
    const { controller, onReached } = options
    this.#stops = [
      onReached(() => this.#beatSoon()),
      controller.onLeader(leaderId => {
        if (leaderId !== null) this.#beatSoon()
      }),
    ]
  }

  /** Resolves once the registration is committed and remembered; tries as long as the failure may pass. */
  static async open(options: RegistrationOptions): Promise<BrokerMembership> {
    const { clock, signal } = options
    const isPassing = untilFormerLifeIsOver(options)
    const patience = signal === undefined ? { isPassing } : { isPassing, signal }
    await options.epochs.announce()
    const epoch = await untilAnswered(clock, () => register(options), patience)
    await options.epochs.remember(epoch)
    return new BrokerMembership(options, epoch)
  }

  /** Why the cluster does not count on this broker, as a sentence; `null`: it does. */
  get fencedBecause(): string | null {
    return this.#fencedBecause
  }

  /**
   * Asks the controller to move leaderships away, and says no more that this broker lives. Resolves when it may stop,
   * when `graceMs` is over, or when `hopeless` says that there is nobody to answer.
   */
  async drain(graceMs: number, hopeless: AbortSignal): Promise<void> {
    const { clock } = this.#options
    this[Symbol.dispose]()
    const isOver = new AbortController()
    const timer = clock.setTimer(graceMs, () => isOver.abort())
    const giveUp = (): void => isOver.abort()
    hopeless.addEventListener('abort', giveUp)
    // A cluster that is gone as a whole answers nobody, and takes its time.
    const over = new Promise<void>(resolve => isOver.signal.addEventListener('abort', () => resolve()))
    if (hopeless.aborted) giveUp()
    await Promise.race([this.#untilLetGo(isOver.signal), over])
    timer.cancel()
    hopeless.removeEventListener('abort', giveUp)
    isOver.abort()
  }

  async #untilLetGo(isOver: AbortSignal): Promise<void> {
    const { controller, registration, clock, logger } = this.#options
    await this.#beating
    for (let pauseMs = 10; !isOver.aborted; pauseMs = Math.min(retryMsMax, pauseMs * 2)) {
      try {
        const { mayStop } = await controller.heartbeat(registration.nodeId, this.#epoch, 'shutdown')
        if (mayStop) return
      } catch (error) {
        if (!isOver.aborted) logger.warn({ error }, 'the controller did not hear that this broker stops')
        return
      }
      await pause(clock, pauseMs)
    }
  }

  /** Says no more that this broker lives. What it said last may still be on its way. */
  [Symbol.dispose](): void {
    this.#isLeaving = true
    this.#timer?.cancel()
    this.#lookTimer.cancel()
    for (const stop of this.#stops) stop()
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(this.#options.heartbeatIntervalMs, () => this.#startBeat())
  }

  #lookLater(): Timer {
    const { clock, fenceReason, offlineNews } = this.#options
    return clock.setTimer(fitnessLookMs, () => {
      if ((fenceReason() !== null) !== this.#saidUnfit || offlineNews().length > 0) this.#beatSoon()
      this.#lookTimer = this.#lookLater()
    })
  }

  /**
   * The controller may have seen the connection go, or be another one than before, and does not wait for a whole
   * interval to be told that this broker lives.
   */
  #beatSoon(): void {
    if (this.#timer === null) {
      this.#isDue = true
      return
    }
    this.#timer.cancel()
    this.#timer = this.#options.clock.setTimer(0, () => this.#startBeat())
  }

  #startBeat(): void {
    this.#timer = null
    this.#isDue = false
    this.#beating = this.#beat().then(() => {
      if (this.#isLeaving) return
      this.#schedule()
      if (this.#isDue) this.#beatSoon()
    })
  }

  async #beat(): Promise<void> {
    const { controller, registration, fenceReason, offlineNews, logger } = this.#options
    try {
      const reason = fenceReason()
      this.#saidUnfit = reason !== null
      const wants = reason === null ? 'serve' : 'fence'
      const { isFenced } = await controller.heartbeat(registration.nodeId, this.#epoch, wants, offlineNews())
      this.#fencedBecause = isFenced ? (reason ?? 'The controller has fenced this broker.') : null
    } catch (error) {
      if (this.#isLeaving) return
      const isUnknown =
        error instanceof ApiError && (error.code === 'STALE_BROKER_EPOCH' || error.code === 'BROKER_ID_NOT_REGISTERED')
      logger.warn({ error, epoch: this.#epoch }, isUnknown ? 'registering anew' : 'a heartbeat failed')
      if (isUnknown) await this.#registerAnew()
    }
  }

  async #registerAnew(): Promise<void> {
    const { epochs, logger } = this.#options
    try {
      this.#epoch = await register(this.#options)
      await epochs.remember(this.#epoch)
    } catch (error) {
      this.#fencedBecause = 'The controller does not know this broker any more.'
      logger.error({ error }, 'this broker could not register anew; the next heartbeat tries again')
    }
  }
}

function register({ controller, registration, epochs }: RegistrationOptions): Promise<BrokerEpoch> {
  return controller.registerBroker({ ...registration, previousEpoch: epochs.previous() })
}

/**
 * A broker that comes back soon after it died meets its own former life, which the controller still hears of. That passes
 * too; another process of its number does not go away.
 */
function untilFormerLifeIsOver({ clock, logger, sessionTimeoutMs }: RegistrationOptions): (error: ApiError) => boolean {
  const startedMs = clock.nowMs()
  let isFirst = true
  return error => {
    if (error.code !== 'DUPLICATE_BROKER_REGISTRATION') return error.isRetriable
    if (isFirst) logger.info({ reason: error.message }, 'waiting for the former life of this broker to be over')
    isFirst = false
    return clock.nowMs() - startedMs <= sessionsOfFormerLife * sessionTimeoutMs
  }
}

export interface Patience {
  readonly signal?: AbortSignal
  /** Whether to ask again; by default what the table of errors says. */
  readonly isPassing?: (error: ApiError) => boolean
}

/** Repeats `ask` while its failure is one that passes by itself: no leader yet, no answer in time. */
export async function untilAnswered<T>(clock: Clock, ask: () => Promise<T>, patience: Patience = {}): Promise<T> {
  const { signal, isPassing = (error: ApiError) => error.isRetriable } = patience
  for (let pauseMs = retryMsMin; ; pauseMs = Math.min(retryMsMax, pauseMs * 2)) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof ApiError) || !isPassing(error)) throw error
      if (signal?.aborted) throw new AbortError('the start was cancelled', { cause: error })
    }
    await pause(clock, pauseMs)
  }
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise(resolve => clock.setTimer(ms, resolve))
}
