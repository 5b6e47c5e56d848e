/**
 * A TCP proxy of one link, in this process: whoever dials its port reaches the target, under conditions that may change at
 * any time. Every draw comes from the seed; what the two ends and the machine's scheduler do does not.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { systemClock } from '../../../src/platform/clock.ts'
import type { Clock } from '../../../src/util/clock.ts'
import { type Random, seededRandom } from '../../../src/util/random.ts'
import { type Conditions, clear } from './conditions.ts'
import { Pipe } from './pipe.ts'

export interface LinkTarget {
  readonly host?: string
  readonly port: number
}

export interface LinkOptions {
  readonly seed?: number
  readonly clock?: Clock
  /** Where to listen; 0, the default: any free port. */
  readonly port?: number
}

export interface LinkStats {
  /** Cumulative. */
  readonly connections: number
  /** Level. */
  readonly open: number
  /** Accepted, and nobody behind them. Level. */
  readonly silent: number
  /** Read and not written yet, both ways. Level. */
  readonly queuedBytes: number
}

export async function openLink(target: LinkTarget, options: LinkOptions = {}): Promise<Link> {
  const server = createServer({ allowHalfOpen: true, noDelay: true })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  return new Link(server, target, options)
}

export class Link implements AsyncDisposable {
  readonly port: number
  readonly #server: Server
  readonly #target: LinkTarget
  readonly #clock: Clock
  readonly #random: Random
  readonly #carried = new Set<Carried>()
  #conditions: Conditions = clear
  #connections = 0

  constructor(server: Server, target: LinkTarget, { seed = 1, clock = systemClock }: LinkOptions) {
    this.#server = server
    this.#target = target
    this.#clock = clock
    this.#random = seededRandom(seed)
    this.port = (server.address() as AddressInfo).port
    server.on('connection', socket => this.#accept(socket))
  }

  get conditions(): Conditions {
    return this.#conditions
  }

  get stats(): LinkStats {
    const all = [...this.#carried]
    return {
      connections: this.#connections,
      open: all.length,
      silent: all.filter(one => one.isSilent).length,
      queuedBytes: all.reduce((sum, one) => sum + one.queuedBytes, 0),
    }
  }

  /** Changes some conditions, for the connections there are and for new ones. */
  set(changes: Partial<Conditions>): void {
    this.#conditions = { ...this.#conditions, ...changes }
    for (const one of [...this.#carried]) one.changed()
  }

  /** All is well from now on. */
  clear(): void {
    this.set(clear)
  }

  /** Both ends of every connection get an RST. */
  reset(): void {
    for (const one of [...this.#carried]) one.reset()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.reset()
    await closed
  }

  #accept(socket: Socket): void {
    this.#connections++
    if (this.#conditions.arrivals === 'refuse') {
      reset(socket)
      return
    }
    const carried = new Carried(socket, {
      target: this.#target,
      clock: this.#clock,
      random: this.#random,
      conditions: () => this.#conditions,
      onGone: () => this.#carried.delete(carried),
    })
    this.#carried.add(carried)
    carried.changed()
  }
}

interface CarriedOptions {
  readonly target: LinkTarget
  readonly clock: Clock
  readonly random: Random
  readonly conditions: () => Conditions
  readonly onGone: () => void
}

/** One connection: two sockets and a pipe each way. */
class Carried {
  readonly #options: CarriedOptions
  readonly #near: Socket
  readonly #there: Pipe
  #far: Socket | null = null
  #back: Pipe | null = null
  #ends = 0

  constructor(near: Socket, options: CarriedOptions) {
    this.#options = options
    this.#near = near
    this.#there = this.#pipe(near, 'there')
  }

  get isSilent(): boolean {
    return this.#far === null
  }

  get queuedBytes(): number {
    return this.#there.queuedBytes + (this.#back?.queuedBytes ?? 0)
  }

  changed(): void {
    const { arrivals, there, back } = this.#options.conditions()
    // A handshake needs both directions.
    if (this.#far === null && arrivals === 'pass' && there === 'pass' && back === 'pass') this.#dial()
    this.#there.changed()
    this.#back?.changed()
  }

  reset(): void {
    this.#there.stop()
    this.#back?.stop()
    for (const socket of [this.#near, this.#far]) if (socket !== null) reset(socket)
    this.#options.onGone()
  }

  #dial(): void {
    const { host = '127.0.0.1', port } = this.#options.target
    const far = connect({ host, port, allowHalfOpen: true, noDelay: true })
    this.#far = far
    this.#back = this.#pipe(far, 'back')
    this.#back.connect(this.#near)
    // One that refuses to be dialled is an error of `far`, which its pipe tells the one who dials.
    far.once('connect', () => this.#there.connect(far))
  }

  #pipe(source: Socket, direction: 'there' | 'back'): Pipe {
    const { clock, random, conditions } = this.#options
    return new Pipe({
      source,
      clock,
      random,
      conditions,
      flow: () => conditions()[direction],
      onBroken: () => this.reset(),
      onEnd: () => {
        if (++this.#ends === 2) this.#options.onGone()
      },
      onGivenUp: () => this.reset(),
    })
  }
}

/**
 * An RST, now. `Socket.resetAndDestroy` ends the socket first and waits until everything was taken, for ever if the other end is
 * frozen; and if an error destroys it meanwhile, Node asks libuv to reset a socket that is being shut down, is refused,
 * and takes the handle for closed: the process then spins at its end, in wait for it.
 */
function reset(socket: Socket): void {
  const isShuttingDown = socket.writableEnded && !socket.writableFinished
  // What `resetAndDestroy` tells `destroy`.
  if (!isShuttingDown && !socket.connecting) Object.assign(socket, { resetAndClosing: true })
  socket.destroy()
}
