/**
 * The network under a simulated cluster of whole nodes: sockets by URL between processes that may be cut off, stopped or
 * dead, over the wires of `Links`. A process that ends tells those it talked to; a machine that loses power does not, and
 * neither does it refuse a connection.
 */
import { ApiError } from '../../protocol/errors.ts'
import type { Socket, SocketFactory } from '../../transport/socket.ts'
import { AbortError } from '../../util/errors.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { Channel, Links } from '../quorum/links.ts'
import { SimSocket, type SocketOwner, type SocketWires } from './sim-socket.ts'

/** Pause before a knock at a door behind a cut is repeated, as TCP repeats its SYN. */
const knockAgainMs = 500

interface Listening {
  readonly owner: SocketOwner
  readonly accept: (socket: Socket) => void
}

export class SimSockets implements SocketWires {
  readonly #links: Links
  readonly #random: Random
  /** Who is behind an address, whether it is up or not. */
  readonly #hosts = new Map<string, NodeId>()
  readonly #listening = new Map<string, Listening>()
  readonly #dark = new Set<NodeId>()
  readonly #sockets = new Set<SimSocket>()
  readonly counts = { connected: 0, refused: 0, reset: 0, forgotten: 0 }

  constructor(links: Links, random: Random) {
    this.#links = links
    this.#random = random
  }

  /** `url` leads to machine `id`. */
  place(url: string, id: NodeId): void {
    this.#hosts.set(url, id)
  }

  /** The machine is on; a process on it dials by what this returns. */
  attach(owner: SocketOwner): SocketFactory {
    this.#dark.delete(owner.id)
    return {
      connect: (url, { timeoutMs, signal }) =>
        new Promise((resolve, reject) => this.#dial(owner, url, timeoutMs, signal ?? null, resolve, reject)),
    }
  }

  listen(url: string, owner: SocketOwner, accept: (socket: Socket) => void): void {
    this.#listening.set(url, { owner, accept })
  }

  /** The process of `id` has ended. `isSilent`: with the power of its machine. */
  detach(id: NodeId, isSilent: boolean): void {
    if (isSilent) this.#dark.add(id)
    for (const [url, { owner }] of this.#listening) if (owner.id === id) this.#listening.delete(url)
    for (const socket of this.#sockets) {
      if (socket.owner.id !== id) continue
      this.#sockets.delete(socket)
      if (!isSilent) socket.hangUp()
    }
  }

  /** After wires were mended. */
  mended(): void {
    for (const socket of [...this.#sockets]) socket.flush()
  }

  /** Breaks that share of all connections, at both ends. */
  reset(share: number): void {
    for (const socket of this.#some(share)) {
      this.counts.reset++
      for (const end of [socket, socket.peer]) end.terminate()
    }
  }

  /** That share of all connections carries nothing from now on, and nobody is told. */
  forget(share: number): void {
    for (const socket of this.#some(share)) {
      this.counts.forgotten++
      socket.isForgotten = socket.peer.isForgotten = true
    }
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#links.isCut(from, to)
  }

  carry(from: NodeId, to: NodeId, arrive: () => void, channel: Channel): void {
    this.#links.carry(from, to, arrive, channel)
  }

  hasPower(id: NodeId): boolean {
    return !this.#dark.has(id)
  }

  onGone(socket: SimSocket): void {
    this.#sockets.delete(socket)
  }

  #some(share: number): SimSocket[] {
    return [...this.#sockets].filter(() => this.#random.nextFloat() < share)
  }

  #dial(
    owner: SocketOwner,
    url: string,
    timeoutMs: number,
    signal: AbortSignal | null,
    resolve: (socket: Socket) => void,
    reject: (error: Error) => void,
  ): void {
    let isOver = false
    const end = (settle: () => void): void => {
      if (isOver) return
      isOver = true
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    const fail = (why: string): void =>
      end(() => reject(new ApiError('NETWORK_EXCEPTION', `Cannot connect to ${url}: ${why}.`)))
    const onAbort = (): void => end(() => reject(new AbortError('connecting was given up', { cause: signal?.reason })))
    const timer = owner.process.setTimer(timeoutMs, () => fail('no answer'))
    signal?.addEventListener('abort', onAbort)
    if (signal?.aborted) onAbort()
    const to = this.#hosts.get(url)
    if (to === undefined) {
      fail('no such host')
      return
    }
    const knock = (): void => {
      if (isOver) return
      if (this.isCut(owner.id, to)) owner.process.setTimer(knockAgainMs, knock)
      else
        this.carry(owner.id, to, () => this.#answerDoor(owner, url, to, socket => end(() => resolve(socket)), fail), {
          lastArrivalMs: 0,
        })
    }
    knock()
  }

  #answerDoor(
    from: SocketOwner,
    url: string,
    to: NodeId,
    opened: (socket: SimSocket) => void,
    refused: (why: string) => void,
  ): void {
    if (!this.hasPower(to)) return
    const there = this.#listening.get(url)
    if (there === undefined) {
      this.counts.refused++
      this.carry(to, from.id, () => inProcess(from, () => refused('refused')), { lastArrivalMs: 0 })
      return
    }
    inProcess(there.owner, () => {
      const [near, far] = this.#pair(from, there.owner)
      there.accept(far)
      // Whatever comes from there comes after the news that there is a connection.
      this.carry(to, from.id, () => inProcess(from, () => opened(near)), far.channel)
    })
  }

  #pair(from: SocketOwner, to: SocketOwner): [SimSocket, SimSocket] {
    this.counts.connected++
    const near = new SimSocket(from, `sim:${to.id}`, this)
    const far = new SimSocket(to, `sim:${from.id}`, this)
    near.join(far)
    far.join(near)
    this.#sockets.add(near).add(far)
    return [near, far]
  }
}

/** Now, when its process goes on, or never. */
function inProcess(owner: SocketOwner, run: () => void): void {
  if (owner.process.isStopped) owner.process.setTimer(0, run)
  else owner.process.receive(run)
}
