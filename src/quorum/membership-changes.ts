/** The tasks of operators that are under way: looked at after every step of the core, and given up at their deadlines. */
import { ApiError } from '../protocol/errors.ts'
import type { Task, TaskCore } from './membership-task.ts'

const tasksMax = 100

interface Pending {
  /** Looks at the task once more; true when it is over. */
  advance(): boolean
  readonly deadlineMs: number
  readonly giveUp: (error: ApiError | null) => void
}

export class MembershipChanges {
  readonly #core: TaskCore
  #pending: Pending[] = []
  #isAdvancing = false

  constructor(core: TaskCore) {
    this.#core = core
  }

  /** The caller sees to it that `advance` is called soon. */
  run<T>(task: Task<T>, deadlineMs: number): Promise<T> {
    if (this.#pending.length >= tasksMax) {
      return Promise.reject(new ApiError('BROKER_OVERLOADED', 'Too many changes of members are under way.'))
    }
    return new Promise((resolve, reject) => {
      let waitsFor = ''
      const advance = (): boolean => {
        const outcome = task.advance(this.#core)
        if (typeof outcome === 'string') waitsFor = outcome
        else if ('value' in outcome) resolve(outcome.value)
        else reject(outcome.error)
        return typeof outcome !== 'string'
      }
      const giveUp = (error: ApiError | null): void => reject(error ?? new ApiError('REQUEST_TIMED_OUT', waitsFor))
      this.#pending.push({ advance, deadlineMs, giveUp })
    })
  }

  /** A task may lead to another step, after which this is called again. */
  advance(): void {
    if (this.#pending.length === 0 || this.#isAdvancing) return
    this.#isAdvancing = true
    const over = this.#pending.filter(pending => pending.advance())
    this.#isAdvancing = false
    if (over.length > 0) this.#pending = this.#pending.filter(pending => !over.includes(pending))
  }

  expire(nowMs: number): void {
    if (!this.#pending.some(pending => pending.deadlineMs <= nowMs)) return
    const expired = this.#pending.filter(pending => pending.deadlineMs <= nowMs)
    this.#pending = this.#pending.filter(pending => pending.deadlineMs > nowMs)
    for (const pending of expired) pending.giveUp(null)
  }

  abandon(reason: string): void {
    const text = `${reason} The change may or may not be made.`
    for (const pending of this.#pending.splice(0)) pending.giveUp(new ApiError('REQUEST_TIMED_OUT', text))
  }
}
