/**
 * Blows at those who keep one partition of records: its leader, a follower in sync, and whoever has just become one, before
 * anybody has got used to it.
 */
import type { MetadataImage, PartitionImage } from '../../metadata/image.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { NodeCluster } from './cluster.ts'
import { type Cut, isolating, oneWay } from './cuts.ts'

/** What the nemesis does to one node; each answers whether it did anything. */
export interface Blows {
  crash(id: NodeId, isSilent: boolean): boolean
  pause(id: NodeId): boolean
  cut(isCut: Cut): boolean
}

/** What comes with having joined (the image on its way, the first records that wait for the newcomer) is under way so long. */
const newcomerMsMax = 50

export class Strikes {
  readonly #cluster: NodeCluster
  readonly #blows: Blows
  readonly #random: Random
  /** The next replica that joins an ISR is struck. */
  #waitsForNewcomer = false
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

  #onAdvance(image: MetadataImage, before: MetadataImage): void {
    if (!this.#waitsForNewcomer) return
    for (const { id: topicId, name, partitions } of image.topics.byId.values()) {
      if (!this.#isOfRecords(name)) continue
      for (const [number, { isr, leaderId }] of partitions.entries()) {
        const known = before.topics.byId.get(topicId)?.partitions[number]
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
    switch (this.#random.nextInt(5)) {
      case 0:
        return this.#blows.crash(id, false)
      case 1:
        return this.#blows.crash(id, true)
      case 2:
        return this.#blows.pause(id)
      case 3:
        return this.#blows.cut(isolating(id))
      default:
        return this.#blows.cut(oneWay(id, this.#random.nextInt(2) === 0 ? null : other, this.#random))
    }
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
