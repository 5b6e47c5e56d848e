/** One life of a member: the production driver, opened on what its disk holds, until its process ends. */

import { openQuorum } from '../../quorum/open-quorum.ts'
import type { QuorumRules } from '../../quorum/rules.ts'
import type { Quorum } from '../../quorum/types.ts'
import type { Effect, Input } from '../../raft/input-effect.ts'
import type { Rules } from '../../raft/options.ts'
import type { Raft } from '../../raft/state.ts'
import type { Logger } from '../../util/logger.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { SimRaftDisk } from '../sim-raft-storage.ts'
import type { DurableImage, MemberView } from './invariants/invariant.ts'
import type { SimProcess } from './process.ts'
import type { World } from './profiles.ts'
import { type MachineWatcher, RegisterMachine } from './register-machine.ts'
import { type SimPort, urlOf } from './sim-network.ts'

/** Rules that are broken on purpose, to see whether it is noticed. */
export interface BrokenRules {
  readonly core?: Partial<Rules>
  readonly driver?: Partial<QuorumRules>
}

/** A disk that answers no commit for so long has failed. */
const diskDeadlineMs = 5_000

export interface LifeOptions {
  readonly id: NodeId
  readonly world: World
  /** The first voters, by the addresses everybody was told. */
  readonly founders: ReadonlyMap<NodeId, string>
  readonly process: SimProcess
  readonly port: SimPort
  readonly disk: SimRaftDisk
  readonly random: Random
  readonly logger: Logger
  readonly broken: BrokenRules
  readonly machineWatcher: MachineWatcher
  readonly onStart: (life: Life) => void
  readonly onStep: (life: Life, input: Input, effects: readonly Effect[]) => void
  /** The process must end. Called at most once, also for what `openQuorum` rejects with. */
  readonly onFatal: (error: Error) => void
}

export class Life implements MemberView {
  readonly id: NodeId
  readonly diskId: string
  readonly process: SimProcess
  readonly machine: RegisterMachine
  readonly #options: LifeOptions
  #raft: Raft | null = null
  #quorum: Quorum | null = null
  /** The term this member was told that it leads. */
  leadingTerm: number | null = null

  constructor(options: LifeOptions) {
    this.#options = options
    this.id = options.id
    this.diskId = options.disk.diskId
    this.process = options.process
    const { id, machineWatcher, world } = options
    this.machine = new RegisterMachine(id, machineWatcher, world.chunkBytesMax)
  }

  /** `null` until it is open. */
  get quorum(): Quorum | null {
    return this.#quorum
  }

  /** There once its storage is loaded. */
  get raft(): Raft {
    return this.#raft!
  }

  get isLoaded(): boolean {
    return this.#raft !== null
  }

  durable(): DurableImage {
    return this.#options.disk.durable()
  }

  open(): void {
    this.#open().then(quorum => {
      this.#quorum = quorum
      quorum.onLeadership(term => {
        this.leadingTerm = term
      })
    }, this.#options.onFatal)
  }

  async #open(): Promise<Quorum> {
    const { id, world, founders, process, port, disk, random, logger, broken, onFatal } = this.#options
    const deliver = (answer: () => void): void => this.process.receive(answer)
    const storage = await disk.open({ deadlineMs: diskDeadlineMs, clock: process, deliver, logger })
    return openQuorum({
      nodeId: id,
      storage,
      voters: founders,
      url: urlOf(id),
      stateMachine: this.machine,
      clock: process,
      random,
      logger,
      peers: port,
      timing: world.timing,
      snapshots: world.snapshots,
      limits: world.limits,
      chunkBytes: world.chunkBytesMax,
      rules: broken.driver,
      coreRules: broken.core,
      observer: {
        started: raft => {
          this.#raft = raft
          this.#options.onStart(this)
        },
        stepped: (_raft, input, effects) => this.#options.onStep(this, input, effects),
      },
      onFatal,
    })
  }
}
