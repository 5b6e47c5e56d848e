/** A machine over all lives of the node on it: its two disks outlive them. */
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { SimDisk } from '../sim-disk.ts'
import type { SimRaftDisk } from '../sim-raft-storage.ts'
import type { LogDiskFaults } from './log-disk-faults.ts'
import type { NodeLife } from './node-life.ts'
import { type FlippedBit, flippedBack } from './rot.ts'
import type { MachineWorld } from './world.ts'

export interface MachineDisks {
  readonly raftDisk: SimRaftDisk
  /** Of the partitions. */
  readonly logDisk: SimDisk
  readonly logFaults: LogDiskFaults
  /** Another one, with nothing on it. */
  readonly newLogDisk: () => SimDisk
}

export class Machine {
  readonly id: NodeId
  readonly isController: boolean
  readonly isBroker: boolean
  readonly raftDisk: SimRaftDisk
  readonly logFaults: LogDiskFaults
  #logDisk: SimDisk
  readonly #newLogDisk: () => SimDisk
  life: NodeLife | null = null
  /** Of its broker, one of each life so far. Any may be registered yet: what it sent may be on its way after its end. */
  readonly incarnations = new Set<string>()
  /** Those that lost what the disk had not taken, … */
  distrusted: ReadonlySet<string> = new Set()
  /** … and those that lost their whole disk. */
  disowned: ReadonlySet<string> = new Set()
  /** In segments on its disk. */
  readonly flippedBits: FlippedBit[] = []
  /** It stays down: the others must do without it. */
  isRetired = false

  constructor(
    { id, isController, isBroker }: MachineWorld,
    { raftDisk, logDisk, logFaults, newLogDisk }: MachineDisks,
  ) {
    this.id = id
    this.isController = isController
    this.isBroker = isBroker
    this.raftDisk = raftDisk
    this.logFaults = logFaults
    this.#logDisk = logDisk
    this.#newLogDisk = newLogDisk
    logDisk.intercept = logFaults.intercept
  }

  get isUp(): boolean {
    return this.life !== null
  }

  /** Of the partitions. */
  get logDisk(): SimDisk {
    return this.#logDisk
  }

  /** A disk that failed or lost its power is the same one for the next life, with what is left on it. */
  endLife(losesCaches: boolean, random: Random): void {
    this.life = null
    if (losesCaches) this.distrusted = new Set(this.incarnations)
    this.raftDisk.crash()
    this.#insert(losesCaches ? this.#logDisk.crash(random) : this.#logDisk.kill())
  }

  /** It is down, and gets another disk for its partitions. */
  wipe(): void {
    this.disowned = new Set(this.incarnations)
    this.flippedBits.length = 0
    this.#insert(this.#newLogDisk())
  }

  /** As when what is damaged is put back from a copy. Returns whether anything was. */
  repair(): boolean {
    const isRepaired = this.flippedBits.map(flipped => flippedBack(this.#logDisk, flipped)).includes(true)
    this.flippedBits.length = 0
    return isRepaired
  }

  #insert(disk: SimDisk): void {
    disk.capacityBytes = this.#logDisk.capacityBytes
    disk.intercept = this.logFaults.intercept
    this.#logDisk = disk
    this.logFaults.hasFailed = false
  }
}

/** Where clients reach it. */
export function clientUrlOf(id: NodeId): string {
  return `ws://node-${id}:9292`
}

/** Where other nodes reach it. */
export function peerUrlOf(id: NodeId): string {
  return `ws://node-${id}:9293`
}
