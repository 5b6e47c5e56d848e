/** The invariants of Figure 3 that a state or a step can break, by name. */
import { type Log, type Server, type State, termAt } from './raft-state.ts'
import { describeLog } from './raft-text.ts'

/** What was committed in an earlier term is in the log of every later leader (section 5.4). */
export function missingIn({ committed, committedIn }: State, { log, term }: Server): string | null {
  const count = committedIn.findLastIndex(earlier => earlier < term) + 1
  const due = committed.slice(0, count)
  return log.startsWith(due) ? null : `leader completeness: ${describeLog(due)} was committed`
}

/** Log matching, of every two servers. */
export function brokenIn({ servers }: State): string | null {
  for (let i = 0; i < servers.length; i++) {
    for (let j = 0; j < i; j++) {
      if (!matches(servers[i]!.log, servers[j]!.log)) return `log matching: ${j + 1} and ${i + 1}`
    }
  }
  return null
}

/** Two entries of one index and term are the same, and so is everything before them (section 5.3). */
function matches(one: Log, other: Log): boolean {
  for (let index = Math.min(one.length, other.length); index > 0; index--) {
    if (termAt(one, index) === termAt(other, index)) return one.slice(0, index) === other.slice(0, index)
  }
  return true
}
