/**
 * Clients that write, read and compare-and-set registers through whichever member they find, again with the same request
 * number until they are answered or give up. What they saw is the history that the checker of linearizability judges.
 */
import { ApiError } from '../../protocol/errors.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { History, Invocation } from '../linearizability.ts'
import type { RegisterInput, RegisterOutput } from '../linearizability-models.ts'
import type { Life } from './life.ts'
import { type Command, encodeCommand } from './register-machine.ts'
import type { Timeline } from './timeline.ts'

const keys = ['x', 'y', 'z']
/** What the member is given for one attempt, and a little more for its answer. */
const attemptMs = 900
const answerGraceMs = 200
/** When a client gives up an operation and takes the next. */
const patienceMs = 4_000
/** What a member says when the proposal is not in its log, or was dropped from it for good. */
const surelyWithoutEffect: ReadonlySet<string> = new Set(['NOT_CONTROLLER', 'BROKER_OVERLOADED'])

export interface ClientWorld {
  readonly timeline: Timeline
  readonly random: Random
  readonly history: History<RegisterInput, RegisterOutput>
  readonly memberIds: readonly NodeId[]
  readonly thinkMs: number
  /** Reads only, each time from whomever it finds: now and then somebody who does not lead any more, and must notice. */
  readonly isReader: boolean
  readonly answerLossRate: number
  /** Runs `ask` in that member's process, when and if it gets there, or `refuse` when nobody listens there. */
  reach(member: NodeId, ask: (life: Life) => void, refuse: () => void): void
  /** What is committed anywhere. */
  committedIndex(): number
  /** `life` answers a read that was asked when `least` was committed. */
  noteRead(life: Life, least: number): void
  /** `request` was refused by everybody: it never happened and never will. */
  noteRefused(client: string, request: number): void
  noteAnswer(client: string, input: RegisterInput, answer: RegisterOutput | 'failed' | 'unknown'): void
}

interface Operation {
  readonly input: RegisterInput
  readonly invocation: Invocation<RegisterOutput>
  readonly request: number
  readonly deadlineMs: number
  /** An attempt may have had an effect that nobody told the client of. */
  isUnsure: boolean
  attempt: number
}

export class Client {
  readonly #name: string
  readonly #world: ClientWorld
  /** What this client last saw of each key: what a compare-and-set compares with. */
  readonly #seen = new Map<string, string | null>()
  #request = 0
  #isRetired = false
  #leader: NodeId | null = null
  #current: Operation | null = null

  constructor(name: string, world: ClientWorld) {
    this.#name = name
    this.#world = world
    this.#think()
  }

  /** True when it waits for no answer. */
  get isIdle(): boolean {
    return this.#current === null
  }

  /** Takes no further operation. */
  retire(): void {
    this.#isRetired = true
  }

  #think(): void {
    const { timeline, random, thinkMs } = this.#world
    timeline.after(random.nextFloat() * 2 * thinkMs, () => {
      if (!this.#isRetired) this.#begin()
    })
  }

  #begin(): void {
    const { history, timeline } = this.#world
    const input = this.#draw()
    const request = ++this.#request
    const deadlineMs = timeline.nowMs + patienceMs
    const invocation = history.invoke(this.#name, input)
    this.#current = { input, invocation, request, deadlineMs, isUnsure: false, attempt: 0 }
    this.#attempt(this.#current)
  }

  #draw(): RegisterInput {
    const { random } = this.#world
    const key = keys[random.nextInt(keys.length)]!
    const kind = this.#world.isReader ? 5 : random.nextInt(10)
    const to = `${this.#name}.${this.#request + 1}`
    if (kind < 4) return { kind: 'write', key, value: to }
    if (kind < 7) return { kind: 'read', key }
    return { kind: 'cas', key, from: this.#seen.get(key) ?? null, to }
  }

  #attempt(operation: Operation): void {
    const { timeline, memberIds, random } = this.#world
    const attempt = ++operation.attempt
    const known = this.#world.isReader ? null : this.#leader
    const member = known ?? memberIds[random.nextInt(memberIds.length)]!
    const isCurrent = (): boolean => this.#current === operation && operation.attempt === attempt
    const timeout = timeline.after(attemptMs + answerGraceMs, () => {
      if (!isCurrent()) return
      operation.isUnsure = true
      this.#leader = null
      this.#tryAgain(operation)
    })
    const settle = (run: () => void): void => {
      // An answer that is lost on its way is followed by the timeout.
      if (!isCurrent() || random.nextFloat() < this.#world.answerLossRate) return
      timeout.isCancelled = true
      run()
    }
    const ask = (life: Life): void => {
      askMember(this.#world, life, this.#name, operation).then(
        answer => settle(() => this.#answered(operation, life, answer)),
        error => settle(() => this.#refused(operation, life, error)),
      )
    }
    this.#world.reach(member, ask, () => settle(() => this.#redirect(operation, null)))
  }

  #answered(operation: Operation, life: Life, answer: RegisterOutput): void {
    this.#leader = life.id
    const { input, invocation } = operation
    if (input.kind === 'read') this.#seen.set(input.key, answer as string | null)
    else if (input.kind === 'write') this.#seen.set(input.key, input.value)
    else if (answer === true) this.#seen.set(input.key, input.to)
    invocation.ok(answer)
    this.#end(operation, answer)
  }

  #refused(operation: Operation, life: Life, error: unknown): void {
    const isSure = error instanceof ApiError && surelyWithoutEffect.has(error.code)
    if (!isSure) operation.isUnsure = true
    const { leaderId } = life.quorum!.status()
    this.#redirect(operation, leaderId === life.id ? null : leaderId)
  }

  #redirect(operation: Operation, leader: NodeId | null): void {
    this.#leader = leader
    this.#tryAgain(operation)
  }

  #tryAgain(operation: Operation): void {
    const { timeline, random } = this.#world
    if (timeline.nowMs >= operation.deadlineMs) this.#giveUp(operation)
    else timeline.after(20 + random.nextFloat() * 100, () => this.#attempt(operation))
  }

  #giveUp(operation: Operation): void {
    const isOver = !operation.isUnsure || operation.input.kind === 'read'
    if (isOver) operation.invocation.fail()
    if (!operation.isUnsure) this.#world.noteRefused(this.#name, operation.request)
    this.#end(operation, isOver ? 'failed' : 'unknown')
  }

  #end(operation: Operation, answer: RegisterOutput | 'failed' | 'unknown'): void {
    this.#world.noteAnswer(this.#name, operation.input, answer)
    this.#current = null
    this.#think()
  }
}

async function askMember(
  world: ClientWorld,
  life: Life,
  client: string,
  { input, request }: Operation,
): Promise<RegisterOutput> {
  const quorum = life.quorum!
  if (input.kind === 'read') {
    const least = world.committedIndex()
    await quorum.readBarrier(attemptMs)
    world.noteRead(life, least)
    return life.machine.read(input.key)
  }
  const command = commandOf(client, request, input)
  await quorum.propose([encodeCommand(command)], attemptMs)
  if (input.kind === 'write') return null
  const answer = life.machine.answerTo(client, request)
  // This client has gone on meanwhile, and nobody waits for the answer.
  if (answer === undefined) throw new Error('a later request was answered')
  return answer
}

function commandOf(client: string, request: number, input: Exclude<RegisterInput, { kind: 'read' }>): Command {
  const { key } = input
  if (input.kind === 'write') return { client, request, key, to: input.value }
  return { client, request, key, from: input.from, to: input.to }
}
