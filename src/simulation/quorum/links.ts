/**
 * The wires: one for each direction between two nodes, with its own delay, that lose, repeat, reorder, hold back or cut
 * off what they carry. They know nothing of connections or messages.
 */
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { Timeline } from './timeline.ts'

export interface LinkConditions {
  /** One way: no less than this… */
  readonly delayMinMs: number
  /** …and on average so much more, exponentially distributed, drawn for each link between nothing and twice this. */
  readonly delayMeanMs: number
  readonly lossRate: number
  readonly duplicateRate: number
  /** Later ones never overtake earlier ones of the same channel. */
  readonly isOrdered: boolean
  /** Carried at one time; what is more is lost. */
  readonly capacity: number
}

/** What keeps the order of what is carried: a connection; for a link without them the link itself. */
export interface Channel {
  lastArrivalMs: number
}

interface Link extends Channel {
  isCut: boolean
  /** Nothing arrives before. */
  cloggedUntilMs: number
  readonly delayMeanMs: number
  carried: number
}

export class Links {
  readonly #timeline: Timeline
  readonly #random: Random
  #conditions: LinkConditions
  readonly #links = new Map<number, Link>()
  readonly counts = { carried: 0, lost: 0, duplicated: 0 }

  constructor(timeline: Timeline, random: Random, conditions: LinkConditions) {
    this.#timeline = timeline
    this.#random = random
    this.#conditions = conditions
  }

  /** `arrive` is called once, or never, or twice. */
  carry(from: NodeId, to: NodeId, arrive: () => void, channel?: Channel): void {
    const link = this.#link(from, to)
    const { lossRate, duplicateRate, capacity } = this.#conditions
    if (link.isCut || link.carried >= capacity || this.#random.nextFloat() < lossRate) {
      this.counts.lost++
      return
    }
    this.#send(link, channel ?? link, arrive)
    if (this.#random.nextFloat() >= duplicateRate) return
    this.counts.duplicated++
    this.#send(link, channel ?? link, arrive)
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#link(from, to).isCut
  }

  cut(from: NodeId, to: NodeId): void {
    this.#link(from, to).isCut = true
  }

  mendAll(): void {
    for (const link of this.#links.values()) link.isCut = false
  }

  clog(from: NodeId, to: NodeId, forMs: number): void {
    this.#link(from, to).cloggedUntilMs = this.#timeline.nowMs + forMs
  }

  /** Everything mended and nothing lost from now on. */
  calm(conditions: LinkConditions): void {
    this.#conditions = conditions
    this.mendAll()
    for (const link of this.#links.values()) link.cloggedUntilMs = 0
  }

  #send(link: Link, channel: Channel, arrive: () => void): void {
    const { nowMs } = this.#timeline
    const spreadMs = -Math.log(1 - this.#random.nextFloat()) * link.delayMeanMs
    let atMs = Math.max(nowMs + this.#conditions.delayMinMs + spreadMs, link.cloggedUntilMs)
    if (this.#conditions.isOrdered) atMs = Math.max(atMs, channel.lastArrivalMs)
    channel.lastArrivalMs = Math.max(atMs, channel.lastArrivalMs)
    link.carried++
    this.counts.carried++
    this.#timeline.after(atMs - nowMs, () => {
      link.carried--
      arrive()
    })
  }

  #link(from: NodeId, to: NodeId): Link {
    const key = from * 1024 + to
    let link = this.#links.get(key)
    if (link === undefined) {
      const delayMeanMs = this.#random.nextFloat() * 2 * this.#conditions.delayMeanMs
      link = { isCut: false, cloggedUntilMs: 0, delayMeanMs, lastArrivalMs: 0, carried: 0 }
      this.#links.set(key, link)
    }
    return link
  }
}
