/** A member over all its lives: a machine with a disk, on which a process runs, or does not. */
import type { NodeId } from '../../util/numbers.ts'
import type { SimRaftDisk } from '../sim-raft-storage.ts'
import type { Life } from './life.ts'

export class Member {
  readonly id: NodeId
  disk: SimRaftDisk
  life: Life | null = null
  /**
   * `damaged`: until a load finds it, or finds nothing. `replaced`: it is blank, and what the lost one held counts no more
   * until the member was removed and added again.
   */
  impairment: 'none' | 'damaged' | 'replaced' = 'none'
  /** Its disk refused to load: it stays down until somebody replaces it. */
  isBroken = false
  /** It stays down: the others must do without it. */
  isRetired = false
  /** It founded a cluster of its own before it met this one. */
  isForeign = false
  /** Its disk was told to fail or to stall, and may not have done so yet. */
  isDiskSuspect = false

  constructor(id: NodeId, disk: SimRaftDisk) {
    this.id = id
    this.disk = disk
  }

  get isImpaired(): boolean {
    return this.impairment !== 'none'
  }

  get isUp(): boolean {
    return this.life !== null
  }
}
