/** Entries for tests. */
import { encodeConfiguration } from '../../src/raft/configuration.ts'
import type { Configuration, Entry } from '../../src/raft/types.ts'
import { toLogIndex, toTerm } from '../../src/util/numbers.ts'

/** What a bootstrap puts first into every voter's log. */
export function bootstrapEntry(configuration: Configuration, term = 1): Entry {
  return { index: toLogIndex(1), term: toTerm(term), kind: 'configuration', data: encodeConfiguration(configuration) }
}

export function dataEntry(index: number, term: number, text = ''): Entry {
  return { index: toLogIndex(index), term: toTerm(term), kind: 'data', data: new TextEncoder().encode(text) }
}
