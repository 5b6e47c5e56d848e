/** What has to hold of a replicated partition in every state, by name. */
import { membersOf } from './isr-controller.ts'
import { countOf, epochAt, type Log, type State, versionOf } from './isr-state.ts'
import { describeLog } from './isr-text.ts'
import { isIn } from './raft-state.ts'

/** `minimumKept`: as many replicas are electable as have to be in sync to commit. Damage may take from them. */
export function brokenIn(state: State, minimumKept: number): string | null {
  const { brokers, committed } = state
  const { leader, isr, elr } = versionOf(state)
  if (leader >= 0 && !isIn(isr, leader)) return `leader in ISR: ${leader + 1} leads`
  const electable = isr | elr
  if (countOf(electable) < minimumKept) return `recovery quorum: ${countOf(electable)} are electable`
  for (const i of membersOf(electable)) {
    if (brokers[i]!.log.startsWith(committed)) continue
    return `no committed record lost: ${i + 1} is electable and has not all of ${describeLog(committed)}`
  }
  for (const [i, { highWatermark, log }] of brokers.entries()) {
    if (committed.startsWith(log.slice(0, highWatermark)) && highWatermark <= log.length) continue
    return `consistent read: ${describeLog(log.slice(0, highWatermark))} from ${i + 1}`
  }
  return divergenceIn(state)
}

/** The loss itself, not the danger of it: the committed records are nowhere any more. */
export function lossIn({ brokers, committed }: State): string | null {
  if (brokers.some(({ log }) => log.startsWith(committed))) return null
  return `committed record lost for good: nobody has all of ${describeLog(committed)}`
}

/** Two records of one offset and epoch are the same, and so is everything before them. */
function divergenceIn({ brokers }: State): string | null {
  for (const [i, { log }] of brokers.entries()) {
    for (let j = 0; j < i; j++) {
      if (!matches(log, brokers[j]!.log)) return `log matching: ${j + 1} and ${i + 1}`
    }
  }
  return null
}

function matches(one: Log, other: Log): boolean {
  if (one === other) return true
  for (let count = Math.min(one.length, other.length); count > 0; count--) {
    if (epochAt(one, count - 1) === epochAt(other, count - 1)) return one.slice(0, count) === other.slice(0, count)
  }
  return true
}
