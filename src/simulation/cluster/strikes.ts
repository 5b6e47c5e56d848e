/**
 * Blows at those who keep one partition of records: its leader, a follower in sync, whoever has just become one, before
 * anybody has got used to it, and whoever a leader has asked the controller about, before that is decided.
 */
import type { MetadataImage, PartitionImage } from '../../metadata/image.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { NodeCluster } from './cluster.ts'
import { between, type Cut, isolating, oneWay } from './cuts.ts'

/** What the nemesis does to one node; each answers whether it did anything. */
export interface Blows {
  crash(id: NodeId, isSilent: boolean): boolean
  pause(id: NodeId): boolean
  cut(isCut: Cut): boolean
  /** What `from` sends to `to` arrives after `ms`. */
  clog(from: NodeId, to: NodeId, ms: number): void
}

/** What comes with having joined (the image on its way, the first records that wait for the newcomer) is under way so long. */
const newcomerMsMax = 50
/** A new leader hears so late that it is one, when others have heard. */
const heirHearsMsMax = 200
/** Whoever was killed is heard so late of again, when it runs again. */
const returnHeardMsMax = 1_000
/** Leaders are looked at so often for what they ask the controller. */
const proposalLookMs = 2
/** A proposal is held up so long on its way. */
const proposalHeldMsMax = 3_000

export class Strikes {
  readonly #cluster: NodeCluster
  readonly #blows: Blows
  readonly #random: Random
  /** The next replica that joins an ISR is struck. */
  #waitsForNewcomer = false
  /** The next broker that becomes a leader hears late of it. */
  #waitsForHeir = false
  /** What the next leader asks the controller for is held up, and somebody it is about is struck. */
  #waitsForProposal = false
  #isResting = false

  constructor(cluster: NodeCluster, blows: Blows, random: Random) {
    this.#cluster = cluster
    this.#blows = blows
    this.#random = random
    cluster.history.onAdvance = (image, before) => this.#onAdvance(image, before)
  }

  /** None is waited for any more, and no blow falls that was planned. */
  rest(): void {
    this.#isResting = true
    this.#waitsForNewcomer = false
    this.#waitsForHeir = false
    this.#waitsForProposal = false
  }

  leader(): boolean {
    const { leaderId, isr } = this.#somePartition() ?? {}
    if (leaderId === undefined || leaderId === null) return false
    const isStruck = this.#strike(leaderId, this.#oneOf(isr!.filter(id => id !== leaderId)))
    if (isStruck) this.#cluster.sometimes.leaderStruck++
    return isStruck
  }

  follower(): boolean {
    const { leaderId, isr } = this.#somePartition() ?? {}
    const follower = this.#oneOf(isr?.filter(id => id !== leaderId) ?? [])
    const isStruck = follower !== null && this.#strike(follower, leaderId ?? null)
    if (isStruck) this.#cluster.sometimes.followerStruck++
    return isStruck
  }

  newcomer(): boolean {
    this.#waitsForNewcomer = true
    return true
  }

  heir(): boolean {
    this.#waitsForHeir = true
    return true
  }

  proposal(): boolean {
    if (!this.#waitsForProposal) this.#awaitProposal()
    this.#waitsForProposal = true
    return true
  }

  #awaitProposal(): void {
    this.#cluster.timeline.after(proposalLookMs, () => {
      if (this.#isResting) return
      if (this.#strikeProposal()) this.#waitsForProposal = false
      else this.#awaitProposal()
    })
  }

  #strikeProposal(): boolean {
    const controllerId = this.#cluster.leader()?.id
    if (controllerId === undefined) return false
    for (const { id, life } of this.#cluster.machines.values()) {
      if (id === controllerId) continue
      for (const { leading } of life?.node?.broker.partitions.all() ?? []) {
        const proposal = leading?.replica.proposal ?? null
        if (proposal === null) continue
        const members = proposal.isr.map(({ nodeId }) => nodeId).filter(other => other !== id)
        const joining = members.filter(other => !leading!.replica.isr.includes(other))
        this.#blows.clog(id, controllerId, this.#random.nextFloat() * proposalHeldMsMax)
        const struck = this.#oneOf(joining.length > 0 ? joining : members)
        if (struck !== null) this.#strike(struck, id)
        this.#cluster.sometimes.proposalStruck++
        return true
      }
    }
    return false
  }

  #onAdvance(image: MetadataImage, before: MetadataImage): void {
    if (!this.#waitsForNewcomer && !this.#waitsForHeir) return
    for (const { id: topicId, name, partitions } of image.topics.byId.values()) {
      if (!this.#isOfRecords(name)) continue
      for (const [number, { isr, leaderId }] of partitions.entries()) {
        const known = before.topics.byId.get(topicId)?.partitions[number]
        if (this.#waitsForHeir && leaderId !== null && known !== undefined && known.leaderId !== leaderId) {
          this.#waitsForHeir = false
          this.#clogWithController(leaderId, false, heirHearsMsMax)
          this.#cluster.sometimes.heirStruck++
        }
        if (!this.#waitsForNewcomer) continue
        const newcomer = isr.find(id => known?.isr.includes(id) === false && id !== leaderId)
        if (newcomer === undefined) continue
        this.#waitsForNewcomer = false
        // In the middle of what production code does nothing is broken.
        this.#cluster.timeline.after(this.#random.nextFloat() * newcomerMsMax, () => {
          if (!this.#isResting && this.#strike(newcomer, leaderId)) this.#cluster.sometimes.newcomerStruck++
        })
        return
      }
    }
  }

  /** `other`: of the same partition. */
  #strike(id: NodeId, other: NodeId | null): boolean {
    switch (this.#random.nextInt(6)) {
      case 0:
        return this.#crash(id, false)
      case 1:
        return this.#crash(id, true)
      case 2:
        return this.#blows.pause(id)
      case 3:
        return this.#blows.cut(isolating(id))
      case 4:
        return this.#blows.cut(between(id, this.#cluster.leader()?.id ?? null))
      default:
        return this.#blows.cut(oneWay(id, this.#random.nextInt(2) === 0 ? null : other, this.#random))
    }
  }

  #crash(id: NodeId, isSilent: boolean): boolean {
    if (!this.#blows.crash(id, isSilent)) return false
    if (this.#random.nextInt(2) === 0) this.#clogWithController(id, true, returnHeardMsMax)
    return true
  }

  /** What `id` says to the active controller, or hears of it, comes late. */
  #clogWithController(id: NodeId, isSaid: boolean, msMax: number): void {
    const controllerId = this.#cluster.leader()?.id
    if (controllerId === undefined || controllerId === id) return
    const [from, to] = isSaid ? [id, controllerId] : [controllerId, id]
    this.#blows.clog(from, to, this.#random.nextFloat() * msMax)
  }

  #somePartition(): PartitionImage | null {
    const { latest } = this.#cluster.history
    if (latest === null) return null
    const topics = [...latest.topics.byName.values()].filter(({ name }) => this.#isOfRecords(name))
    return this.#oneOf(topics.flatMap(({ partitions }) => [...partitions]))
  }

  #isOfRecords(topic: string): boolean {
    return this.#cluster.world.data.topics.some(({ name }) => name === topic)
  }

  #oneOf<T>(among: readonly T[]): T | null {
    return among.length === 0 ? null : among[this.#random.nextInt(among.length)]!
  }
}
