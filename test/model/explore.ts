/**
 * A small explicit-state model checker. It goes breadth first through every state that a model can reach, so the trace to
 * a broken invariant is a shortest one, and an exploration that ends without one is a proof for the model's scope.
 */

/** `broken` names the invariant that this step broke, or is null; `label` says what happened, and is asked only for a trace. */
export type Emit<State> = (next: State, broken: string | null, label: () => string) => void

export interface Model<State> {
  readonly initial: State
  /** Emits every possible step, in the same order each time it is asked. */
  expand(state: State, emit: Emit<State>): void
  /** Equal exactly for states that nothing later can tell apart, such as those that differ in the names of servers. */
  keyOf(state: State): string
  describe(state: State): string
}

export interface Violation {
  readonly invariant: string
  /** The steps from the initial state to the broken one, each with the state it led to. */
  readonly trace: readonly string[]
}

export interface Exploration {
  /** Distinct ones, after symmetry. */
  readonly stateCount: number
  readonly transitionCount: number
  /** Steps to the farthest state. */
  readonly depth: number
  /** False when a violation or `stateCountMax` ended it. */
  readonly isExhaustive: boolean
  readonly violation: Violation | null
}

/** How a state was first reached: the state it came from, and which of its steps led here. */
interface Origin {
  readonly parent: number
  readonly ordinal: number
}

export interface Limits {
  readonly stateCountMax: number
  /** Labels of steps that are taken first, so that only what can follow on them is explored. */
  readonly story?: readonly string[]
}

export function explore<State>(model: Model<State>, { stateCountMax, story = [] }: Limits): Exploration {
  const start = walk(model, story)
  const seen = new Set<string>([model.keyOf(start.state)])
  const origins: Origin[] = [{ parent: -1, ordinal: -1 }]
  // Only the states of one depth are kept; a trace is made by walking its steps again.
  let layer: Array<{ readonly state: State; readonly number: number }> = [{ state: start.state, number: 0 }]
  let transitionCount = 0
  let depth = 0
  let broken: { readonly invariant: string; readonly origin: Origin } | null = null
  while (layer.length > 0 && origins.length < stateCountMax && broken === null) {
    const next: typeof layer = []
    for (const { state, number } of layer) {
      let ordinal = -1
      model.expand(state, (reached, invariant) => {
        ordinal++
        transitionCount++
        const origin = { parent: number, ordinal }
        if (invariant !== null) broken ??= { invariant, origin }
        const key = model.keyOf(reached)
        if (seen.has(key)) return
        seen.add(key)
        next.push({ state: reached, number: origins.length })
        origins.push(origin)
      })
      if (broken !== null) break
    }
    if (next.length > 0) depth++
    layer = next
  }
  // Assigned inside a callback, which the type checker does not follow.
  const found = broken as { readonly invariant: string; readonly origin: Origin } | null
  return {
    stateCount: origins.length,
    transitionCount,
    depth,
    isExhaustive: layer.length === 0 && found === null,
    violation: found && { invariant: found.invariant, trace: traceTo(model, story, origins, found.origin) },
  }
}

function traceTo<State>(
  model: Model<State>,
  story: readonly string[],
  origins: readonly Origin[],
  last: Origin,
): readonly string[] {
  const ordinals: number[] = []
  for (let origin = last; origin.parent >= 0; origin = origins[origin.parent]!) ordinals.unshift(origin.ordinal)
  return walk(model, [...story, ...ordinals]).trace
}

/** Takes the named steps, by label or by place in `expand`, from the initial state. Throws when one is not possible. */
function walk<State>(model: Model<State>, wanted: readonly (string | number)[]): { state: State; trace: string[] } {
  let state = model.initial
  const trace = [`0. ${model.describe(state)}`]
  for (const [i, name] of wanted.entries()) {
    const steps: Array<{ readonly next: State; readonly label: string }> = []
    model.expand(state, (next, _broken, label) => steps.push({ next, label: label() }))
    const step = typeof name === 'number' ? steps[name] : steps.find(({ label }) => label === name)
    if (step === undefined) throw new Error(`no step "${name}" after:\n${trace.join('\n')}`)
    state = step.next
    trace.push(`${i + 1}. ${step.label}: ${model.describe(state)}`)
  }
  return { state, trace }
}

/** The same model; the names of the goals that a state fulfils are added to `reached`. */
export function noting<State>(
  model: Model<State>,
  goals: Readonly<Record<string, (state: State) => boolean>>,
  reached: Set<string>,
): Model<State> {
  return {
    initial: model.initial,
    keyOf: state => model.keyOf(state),
    describe: state => model.describe(state),
    expand: (state, emit) => {
      model.expand(state, (next, broken, label) => {
        for (const name of Object.keys(goals)) if (!reached.has(name) && goals[name]!(next)) reached.add(name)
        emit(next, broken, label)
      })
    },
  }
}
