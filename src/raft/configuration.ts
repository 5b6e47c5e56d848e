/**
 * Who votes, through time. A configuration counts from the moment it is in the log, committed or not (section 6), so a
 * truncated entry must give back the one before it, and a snapshot carries the one of its own index.
 */
import { assert, assertLess } from '../util/assert.ts'
import { CorruptionError } from '../util/errors.ts'
import type { LogIndex, NodeId } from '../util/numbers.ts'
import type { Configuration, Entry } from './types.ts'

export const noConfiguration: Configuration = { voters: [], oldVoters: [], learners: [] }

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** The data of a `configuration` entry: JSON with a version, so that a dumped log can be read by eye. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { voters, oldVoters, learners } = configuration
  return encoder.encode(JSON.stringify({ version: 1, voters, oldVoters, learners }))
}

export function decodeConfiguration(entry: Entry): Configuration {
  try {
    const { version, voters, oldVoters, learners } = JSON.parse(decoder.decode(entry.data))
    assert(version === 1, 'configuration version')
    const configuration = { voters: nodeIds(voters), oldVoters: nodeIds(oldVoters), learners: nodeIds(learners) }
    checkConfiguration(configuration)
    return configuration
  } catch (cause) {
    throw new CorruptionError(`log entry ${entry.index}`, 'not a configuration', { cause })
  }
}

/** Asserts what every configuration must be: someone votes, nobody twice, and a learner is not a voter of the new set. */
export function checkConfiguration(configuration: Configuration): void {
  const { voters, oldVoters, learners } = configuration
  assert(voters.length > 0, 'a configuration has a voter')
  assert(new Set(oldVoters).size === oldVoters.length, 'old voters are distinct')
  assert(new Set([...voters, ...learners]).size === voters.length + learners.length, 'voters and learners are distinct')
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.oldVoters.length > 0
}

export function isVoter(configuration: Configuration, id: NodeId): boolean {
  return configuration.voters.includes(id) || configuration.oldVoters.includes(id)
}

/** Everyone the leader replicates to, itself included, in a stable order. */
export function membersOf(configuration: Configuration): readonly NodeId[] {
  return [...new Set([...configuration.voters, ...configuration.oldVoters, ...configuration.learners])]
}

export class ConfigurationHistory {
  /** Ascending by index; the first one is that of the log's base and never removed. */
  #history: { index: LogIndex; configuration: Configuration }[]

  constructor(baseIndex: LogIndex, base: Configuration) {
    this.#history = [{ index: baseIndex, configuration: base }]
  }

  /** The latest one in the log: the one that counts. */
  get current(): Configuration {
    return this.#history.at(-1)!.configuration
  }

  /** Index of the entry that made it current. */
  get currentIndex(): LogIndex {
    return this.#history.at(-1)!.index
  }

  add(index: LogIndex, configuration: Configuration): void {
    assertLess(this.currentIndex, index, 'configurations come in log order')
    this.#history.push({ index, configuration })
  }

  /** The log lost `from` and all after it. */
  truncate(from: LogIndex): void {
    while (this.#history.length > 1 && this.currentIndex >= from) this.#history.pop()
  }

  /** The one in force at `index`, which is not below the base. */
  at(index: LogIndex): Configuration {
    return this.#history.findLast(entry => entry.index <= index)?.configuration ?? this.#history[0]!.configuration
  }

  /** Those that may still turn out to be the cluster's: the last one up to `commitIndex` and all after it. */
  possible(commitIndex: LogIndex): readonly Configuration[] {
    const committed = this.#history.findLastIndex(entry => entry.index <= commitIndex)
    return this.#history.slice(Math.max(0, committed)).map(entry => entry.configuration)
  }

  /** Nobody will ask for an index below `index` again. */
  compactTo(index: LogIndex): void {
    while (this.#history.length > 1 && this.#history[1]!.index <= index) this.#history.shift()
  }

  reset(index: LogIndex, configuration: Configuration): void {
    this.#history = [{ index, configuration }]
  }
}

function nodeIds(value: unknown): NodeId[] {
  assert(Array.isArray(value) && value.every(id => Number.isSafeInteger(id)), 'node ids are integers')
  return value
}
