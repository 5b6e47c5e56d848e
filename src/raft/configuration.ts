/**
 * Who votes, through time. A configuration counts from the moment it is in the log, committed or not (section 6), so a
 * truncated entry must give back the one before it, and a snapshot carries the one of its own index.
 */
import { assert, assertLess } from '../util/assert.ts'
import { CorruptionError } from '../util/errors.ts'
import type { LogIndex, NodeId } from '../util/numbers.ts'
import { foldUuid } from '../util/uuid.ts'
import type { Configuration, Entry, Member } from './types.ts'

export const noConfiguration: Configuration = { voters: [], oldVoters: [], learners: [] }

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** The data of a `configuration` entry: JSON with a version, so that a dumped log can be read by eye. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { voters, oldVoters, learners, clusterId, members } = configuration
  return encoder.encode(JSON.stringify({ version: 1, voters, oldVoters, learners, clusterId, members }))
}

export function decodeConfiguration(entry: Entry): Configuration {
  try {
    const { version, voters, oldVoters, learners, clusterId, members } = JSON.parse(decoder.decode(entry.data))
    assert(version === 1, 'configuration version')
    assert(clusterId === undefined || typeof clusterId === 'string', 'a cluster id is a text')
    const configuration: Configuration = {
      voters: nodeIds(voters),
      oldVoters: nodeIds(oldVoters),
      learners: nodeIds(learners),
      ...(clusterId === undefined ? {} : { clusterId }),
      ...(members === undefined ? {} : { members: membersFrom(members) }),
    }
    checkConfiguration(configuration)
    return configuration
  } catch (cause) {
    throw new CorruptionError(`log entry ${entry.index}`, 'not a configuration', { cause })
  }
}

/** The first configuration of a cluster: all the same on every founder, whoever of them writes it. */
export function foundingConfiguration(members: readonly Member[]): Configuration {
  const sorted = [...members].sort((a, b) => a.id - b.id)
  const voters = sorted.map(member => member.id)
  const configuration = { voters, oldVoters: [], learners: [], clusterId: clusterIdOf(sorted), members: sorted }
  checkConfiguration(configuration)
  return configuration
}

/** The name of the cluster that `founders` found: made of all their disks, so that no other set of disks has it. */
export function clusterIdOf(founders: readonly Member[]): string {
  return foldUuid(founders.map(member => member.diskId))
}

/** The configuration that follows `current`: of the same cluster, and naming whoever is in it and nobody else. */
export function nextConfiguration(
  current: Configuration,
  ids: Pick<Configuration, 'voters' | 'oldVoters' | 'learners'>,
  newMembers: readonly Member[] = [],
): Configuration {
  const { clusterId } = current
  const known = new Map([...(current.members ?? []), ...newMembers].map(member => [member.id, member]))
  const members = membersOf(ids).flatMap(id => known.get(id) ?? [])
  return {
    ...ids,
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(current.members === undefined && newMembers.length === 0 ? {} : { members }),
  }
}

/**
 * What every configuration must be: someone votes, nobody twice, a learner is not a voter of the new set, and where members
 * are named, each of them is, once.
 */
export function isWellFormed(configuration: Configuration): boolean {
  const { voters, oldVoters, learners, members } = configuration
  if (voters.length === 0 || !areDistinct(oldVoters) || !areDistinct([...voters, ...learners])) return false
  if (members === undefined) return true
  const ids = membersOf(configuration)
  return members.length === ids.length && ids.every(id => members.some(member => member.id === id))
}

export function checkConfiguration(configuration: Configuration): void {
  assert(isWellFormed(configuration), 'a configuration has voters and names everyone once')
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.oldVoters.length > 0
}

export function isVoter(configuration: Configuration, id: NodeId): boolean {
  return configuration.voters.includes(id) || configuration.oldVoters.includes(id)
}

export function isMember(configuration: Configuration, id: NodeId): boolean {
  return isVoter(configuration, id) || configuration.learners.includes(id)
}

/** False when the configuration knows `id` by another disk. */
export function isNamed(configuration: Configuration, id: NodeId, diskId: string): boolean {
  const member = configuration.members?.find(known => known.id === id)
  return member === undefined || member.diskId === diskId
}

/** Everyone the leader replicates to, itself included, in a stable order. */
export function membersOf(configuration: Pick<Configuration, 'voters' | 'oldVoters' | 'learners'>): readonly NodeId[] {
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
    assert(isSameCluster(this.current, configuration), 'a cluster keeps its name')
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

/** A log that names no cluster yet may become any one's. */
export function isSameCluster(known: Configuration, other: Configuration): boolean {
  return known.clusterId === undefined || known.clusterId === other.clusterId
}

function areDistinct(ids: readonly NodeId[]): boolean {
  return new Set(ids).size === ids.length
}

function nodeIds(value: unknown): NodeId[] {
  assert(Array.isArray(value) && value.every(id => Number.isSafeInteger(id)), 'node ids are integers')
  return value
}

function membersFrom(value: unknown): Member[] {
  assert(Array.isArray(value), 'members are a list')
  for (const member of value) {
    const isMade =
      Number.isSafeInteger(member.id) && typeof member.diskId === 'string' && typeof member.url === 'string'
    assert(isMade, 'a member is a number, a disk and an address')
  }
  return value
}
