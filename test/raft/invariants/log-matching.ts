/** Same index and term: same entry and same entry before it, by induction the same prefix (figure 3, Log Matching). */
import assert from 'node:assert/strict'
import { toLogIndex } from '../../../src/util/numbers.ts'
import { textOf } from '../cluster.ts'
import type { Invariant } from './invariant.ts'

export function logMatching(): Invariant {
  /** `index/term` → what the entry is, and the term before it. */
  const entries = new Map<string, string>()
  return {
    stepped({ raft, effects }) {
      for (const effect of effects) {
        if (effect.kind !== 'persist') continue
        for (const entry of effect.entries) {
          const before = raft.log.termAt(toLogIndex(entry.index - 1))
          // The entry before may be behind a snapshot by now; then its term is not known here.
          if (before === null) continue
          const content = `${entry.kind} ${textOf(entry)} after term ${before}`
          const key = `${entry.index}/${entry.term}`
          const known = entries.get(key)
          if (known === undefined) entries.set(key, content)
          else assert.equal(content, known, `log matching at ${key}`)
        }
      }
    },
  }
}
