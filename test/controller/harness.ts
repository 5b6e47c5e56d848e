/** A controller on a fake quorum and a virtual clock. */
import assert from 'node:assert/strict'
import { openController } from '../../src/controller/open-controller.ts'
import type { ControllerOptions } from '../../src/controller/options.ts'
import type { Controller } from '../../src/controller/types.ts'
import { createTopics } from '../../src/protocol/apis/index.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import type { CommittedEntry } from '../../src/quorum/types.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { createRequest, topicRequest } from '../metadata/history.ts'
import { FakeQuorum } from './fake-quorum.ts'
import { registrationOf } from './registration.ts'

export const sessionTimeoutMs = 8_000

export class Harness {
  readonly clock: VirtualClock
  readonly quorum: FakeQuorum
  readonly controller: Controller

  constructor(clock: VirtualClock, quorum: FakeQuorum, controller: Controller) {
    this.clock = clock
    this.quorum = quorum
    this.controller = controller
  }

  /** Lets everything that is due now happen, promises included, without moving time. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 3; idle++) {
      await new Promise(resolve => setImmediate(resolve))
      if (this.clock.runDue() > 0) idle = 0
    }
  }

  /** Runs `request` to its end, whatever that is. */
  async outcome<T>(request: Promise<T>): Promise<T | string> {
    const settled = request.catch((error: unknown) => {
      assert(error instanceof ApiError, String(error))
      return error.code as string
    })
    await this.settle()
    return settled
  }

  create(name: string, session: { clientId: string; requestId: number } | null = null, timeoutMs = 1000) {
    const request = { ...createRequest(topicRequest(name)), session, timeoutMs }
    return this.controller.request(createTopics, request)
  }

  /** Error codes of the topics, or the error of the whole. */
  async createOutcome(name: string): Promise<number | string> {
    const outcome = await this.outcome(this.create(name))
    return typeof outcome === 'string' ? outcome : outcome.topics[0]!.errorCode
  }

  topics(): string[] {
    return [...this.controller.metadata.image().topics.byName.keys()].sort()
  }

  register(id = 1, incarnationId = 'first') {
    return this.outcome(this.controller.registerBroker(registrationOf(id, incarnationId)))
  }

  /** Moves time on, letting promises settle on the way. */
  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      this.clock.advance(Math.min(500, left))
      await this.settle()
    }
  }
}

export type HarnessOptions = Partial<Omit<ControllerOptions, 'quorum' | 'clock'>>

/** A controller that leads, with broker 1 registered. */
export async function openHarness(options: HarnessOptions = {}): Promise<Harness> {
  const harness = await openLeading(options)
  assert.equal(typeof (await harness.register()), 'number')
  return harness
}

/** A controller that leads, without brokers. */
export async function openLeading(options: HarnessOptions = {}): Promise<Harness> {
  const { clock, quorum, opening } = await startController(options)
  quorum.lead()
  clock.runDue()
  return new Harness(clock, quorum, await opening)
}

/** A controller that is being opened: its quorum runs, and nobody leads yet. `restored` is in its state already. */
export async function startController(options: HarnessOptions = {}, restored: readonly CommittedEntry[] = []) {
  const clock = new VirtualClock()
  let quorum: FakeQuorum | null = null
  const opening = openController({
    nodeId: toNodeId(1),
    quorum: async stateMachine => {
      stateMachine.apply(restored)
      quorum = new FakeQuorum(stateMachine)
      return quorum
    },
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    defaults: { numPartitions: 1, replicationFactor: 1, minInsyncReplicas: 1, isUncleanAllowed: false },
    brokerSessionTimeoutMs: sessionTimeoutMs,
    ...options,
  })
  // A start that is refused is for the caller to see.
  opening.catch(() => {})
  await new Promise(resolve => setImmediate(resolve))
  return { clock, quorum: quorum! as FakeQuorum, opening }
}
