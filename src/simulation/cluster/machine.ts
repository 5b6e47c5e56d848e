/** A machine over all lives of the node on it: its two disks outlive them. */
import type { NodeId } from '../../util/numbers.ts'
import type { SimDisk } from '../sim-disk.ts'
import type { SimRaftDisk } from '../sim-raft-storage.ts'
import type { NodeLife } from './node-life.ts'
import type { MachineWorld } from './world.ts'

export class Machine {
  readonly id: NodeId
  readonly isController: boolean
  readonly isBroker: boolean
  readonly raftDisk: SimRaftDisk
  /** Of the partitions. */
  logDisk: SimDisk
  life: NodeLife | null = null
  /** It stays down: the others must do without it. */
  isRetired = false

  constructor({ id, isController, isBroker }: MachineWorld, raftDisk: SimRaftDisk, logDisk: SimDisk) {
    this.id = id
    this.isController = isController
    this.isBroker = isBroker
    this.raftDisk = raftDisk
    this.logDisk = logDisk
  }

  get isUp(): boolean {
    return this.life !== null
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
