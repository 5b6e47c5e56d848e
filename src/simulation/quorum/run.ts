/**
 * One run: a function of its seed. First anything may go wrong, with every invariant checked after every event; then the
 * faults end, and the cluster must come together again.
 */
import { seededRandom } from '../../util/random.ts'
import { checkLinearizable, History } from '../linearizability.ts'
import { type RegisterInput, type RegisterOutput, registerModel } from '../linearizability-models.ts'
import { Client } from './clients.ts'
import { Cluster, forkRandom } from './cluster.ts'
import { FaultAtlas } from './fault-atlas.ts'
import { Healing } from './invariants/healing.ts'
import { Violation } from './invariants/invariant.ts'
import type { BrokenRules } from './life.ts'
import { Nemesis } from './nemesis.ts'
import { Operator } from './operator.ts'
import { drawProfile, drawWorld, type Fault, type ProfileName } from './profiles.ts'
import type { SometimesCounts } from './sometimes.ts'
import { Trace } from './trace.ts'

/**
 * Calls `event` again and again until it answers false, and lets every promise that can move, move in between. It is
 * handed in because how to do that is the platform's.
 */
export type Turns = (event: () => boolean) => Promise<void>

export interface RunOptions {
  readonly seed: number
  readonly turns: Turns
  /** Instead of the one that the seed would draw. */
  readonly profile?: ProfileName
  readonly broken?: BrokenRules
  readonly onTraceLine?: (line: string) => void
}

export interface RunResult {
  readonly seed: number
  readonly profile: ProfileName
  readonly failure: Error | null
  readonly traceHash: string
  /** The last of what happened, for people. */
  readonly traceTail: () => readonly string[]
  readonly events: number
  readonly virtualMs: number
  readonly operations: number
  /** The history was too long to be judged: nothing is known to be wrong, nor to be right. */
  readonly isUndecided: boolean
  readonly faults: Readonly<Partial<Record<Fault, number>>>
  readonly sometimes: SometimesCounts
  readonly messages: { readonly carried: number; readonly lost: number; readonly duplicated: number }
}

/** The client that only reads. */
const reader = 'reader'

/** What was asked of the members is over by then. */
const settlingMs = 6_500
const traceLinesKept = 400
/** A run that goes on longer is caught in a loop. */
const eventsMax = 2_000_000

export async function simulate(options: RunOptions): Promise<RunResult> {
  const { seed, turns, broken = {}, onTraceLine = null } = options
  const random = seededRandom(seed)
  const drawn = drawProfile(random)
  const profile = options.profile ?? drawn
  const world = drawWorld(profile, forkRandom(random))
  const trace = new Trace(traceLinesKept, onTraceLine)
  const cluster = new Cluster({ world, random: forkRandom(random), trace, broken })
  const run = new Run(cluster, forkRandom(random))
  await turns(() => run.next())
  return {
    seed,
    profile,
    failure: run.failure,
    traceHash: trace.hash(),
    traceTail: () => trace.tail(),
    events: run.events,
    virtualMs: cluster.timeline.nowMs,
    operations: run.operations,
    isUndecided: run.isUndecided,
    faults: run.nemesis.counts,
    sometimes: cluster.sometimes.counts,
    messages: cluster.links.counts,
  }
}

class Run {
  readonly nemesis: Nemesis
  readonly #cluster: Cluster
  readonly #history = new History<RegisterInput, RegisterOutput>()
  readonly #clients: Client[]
  readonly #operator: Operator
  readonly #healing: Healing
  isUndecided = false
  #events = 0
  #failure: Error | null = null

  constructor(cluster: Cluster, random: ReturnType<typeof seededRandom>) {
    this.#cluster = cluster
    const { world } = cluster
    this.#operator = new Operator(cluster)
    this.nemesis = new Nemesis(cluster, this.#operator, new FaultAtlas(cluster, this.#operator), forkRandom(random))
    this.#healing = new Healing(cluster, this.#operator, forkRandom(random), () => this.#retireClients())
    const names = Array.from({ length: world.clientCount }, (_, i) => `c${i + 1}`)
    this.#clients = [...names, reader].map(name => this.#newClient(name, forkRandom(random)))
    for (const id of cluster.ids) cluster.timeline.after(random.nextFloat() * world.startMs, () => cluster.start(id))
    // A majority can be asked to do without the rest only when it is known who they are.
    if (random.nextInt(2) === 0) cluster.timeline.after(world.faultyMs - settlingMs, () => this.nemesis.leaveMembers())
    cluster.timeline.after(world.faultyMs, () => {
      this.nemesis.rest()
      this.#healing.begin()
    })
  }

  get events(): number {
    return this.#events
  }

  get operations(): number {
    return this.#history.operations.length
  }

  get failure(): Error | null {
    return this.#failure
  }

  /** One event; false when the run is over. */
  next(): boolean {
    try {
      this.#failure ??= this.#cluster.checks.failure
      if (this.#failure !== null) return false
      if (this.#healing.isDone) return this.#finish()
      if (++this.#events > eventsMax || !this.#cluster.timeline.step()) throw new Violation('the run does not end')
      return true
    } catch (error) {
      this.#failure ??= error as Error
      return false
    }
  }

  /** When the last client has its answer, what they saw is judged. */
  #finish(): boolean {
    if (!this.#clients.every(client => client.isIdle)) return this.#cluster.timeline.step()
    const verdict = checkLinearizable(registerModel, this.#history.operations)
    if (verdict.kind === 'violation') throw new Violation(`linearizable register:\n${verdict.account}`)
    this.isUndecided = verdict.kind === 'undecided'
    return false
  }

  #retireClients(): void {
    for (const client of this.#clients) client.retire()
  }

  #newClient(name: string, random: ReturnType<typeof seededRandom>): Client {
    const { timeline, world, sometimes, checks, trace, ids } = this.#cluster
    return new Client(name, {
      timeline,
      random,
      history: this.#history,
      memberIds: ids.filter(id => !this.#cluster.member(id).isForeign),
      thinkMs: world.thinkMs,
      isReader: name === reader,
      answerLossRate: world.answerLossRate,
      reach: (member, ask, refuse) => {
        timeline.after(random.nextFloat() * 20, () => {
          const { life } = this.#cluster.member(member)
          if (life === null || life.quorum === null) refuse()
          else life.process.receive(() => ask(life))
        })
      },
      committedIndex: () => checks.committed.highestIndex,
      noteRead: (life, least) => checks.answered(life.id, life.quorum!.status().appliedIndex, least),
      noteRefused: (client, request) => checks.refused(client, request),
      noteAnswer: (client, input, answer) => {
        trace.note(
          timeline.nowMs,
          'client',
          0,
          0,
          0,
          `${client} ${registerModel.describe(input, undefined)} → ${answer}`,
        )
        if (answer === 'unknown') sometimes.note('outcomeUnknown')
      },
    })
  }
}
