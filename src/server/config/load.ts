/**
 * Reads a node's settings: defaults, a YAML file, the environment, and what the command line or an embedding program
 * says, the later winning. Nothing is guessed: an unknown key or a bad value is a `ConfigError`, and the node does not start.
 */
import { type ResolvedTopicConfig, resolveTopicConfig } from '../../metadata/topic-configs.ts'
import { ConfigError } from '../../util/errors.ts'
import { closest } from './closest.ts'
import { crossFault } from './cross-checks.ts'
import { configSpecs } from './schema.ts'
import { nodeSettings } from './settings.ts'
import { environmentName, fromEnvironment, fromFile, fromOverrides, type Given, type Origin } from './sources.ts'
import type { Kind } from './types.ts'

type Settings = typeof nodeSettings
/** `log.retention.check.interval.ms` → `logRetentionCheckIntervalMs`. */
type FieldOf<Key extends string> = Key extends `${infer Head}.${infer Tail}`
  ? `${Head}${Capitalize<FieldOf<Tail>>}`
  : Key
type ValueOf<Spec> = Spec extends { readonly kind: Kind<infer T> } ? T : never

/** Each setting as a typed field, named after its key. */
export type NodeConfig = { readonly [Key in keyof Settings as FieldOf<Key>]: ValueOf<Settings[Key]> } & {
  /** The configs of a topic that sets none of its own. */
  readonly topics: ResolvedTopicConfig
  /** What was set of the defaults of topics, by the broker's keys: for `resolveTopicConfig`. */
  readonly topicDefaults: ReadonlyMap<string, string>
  /** Every setting with its value as text and where it is from, sorted by key. */
  readonly entries: readonly ConfigEntry[]
}

export interface ConfigEntry {
  readonly key: string
  readonly value: string
  readonly origin: Origin
  /** File, variable or flag; `null` for a default. */
  readonly where: string | null
  readonly isDynamic: boolean
  readonly doc: string
}

export interface ConfigSources {
  /** Path of a YAML file. */
  readonly file?: string
  /** Usually `process.env`; without it none is looked at. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly overrides?: Readonly<Record<string, string | number | boolean>>
}

const keysByEnvironmentName = new Map([...configSpecs.keys()].map(key => [environmentName(key), key]))

/** Throws `ConfigError` naming key, value, where it is from, and what was expected. */
export function loadConfig(sources: ConfigSources = {}): NodeConfig {
  const given = new Map<string, Given>()
  const all = [
    ...(sources.file === undefined ? [] : fromFile(sources.file)),
    ...fromEnvironment(sources.env ?? {}, keysByEnvironmentName),
    ...fromOverrides(sources.overrides ?? {}),
  ]
  for (const one of all) {
    // Each source is checked, also where a later one wins: a bad line in a file is an error today, not in a year.
    check(one)
    given.set(one.key, one)
  }
  const textOf = (key: string): string => given.get(key)?.value ?? configSpecs.get(key)!.default
  const topicDefaults = new Map<string, string>()
  for (const { key, value } of given.values())
    if (configSpecs.get(key)!.topicKey !== null) topicDefaults.set(key, value)
  const fields = Object.entries(nodeSettings).map(([key, spec]) => [fieldOf(key), spec.kind.parse(textOf(key))])
  const config = {
    ...(Object.fromEntries(fields) as Omit<NodeConfig, 'topics' | 'topicDefaults' | 'entries'>),
    topics: resolveTopicConfig(new Map(), topicDefaults),
    topicDefaults,
    entries: [...configSpecs].map(([key, { isDynamic, doc }]): ConfigEntry => {
      const { origin, where } = given.get(key) ?? { origin: 'default', where: null }
      return { key, value: textOf(key), origin, where, isDynamic, doc }
    }),
  } as NodeConfig
  const fault = crossFault(config)
  if (fault !== null)
    throw refusal(fault.key, textOf(fault.key), given.get(fault.key)?.where ?? 'default', fault.expected)
  return config
}

function check({ key, value, where, origin }: Given): void {
  const spec = configSpecs.get(key)
  if (spec === undefined) {
    const names = origin === 'environment' ? keysByEnvironmentName.keys() : configSpecs.keys()
    const meant = closest(key, names)
    const hint = meant === null ? 'millrace config list shows all settings' : `did you mean ${meant}?`
    const source = origin === 'environment' ? 'in the environment' : `from ${where}`
    throw new ConfigError(key, `unknown setting ${key} (${source}): ${hint}`)
  }
  const fault = spec.kind.fault(value)
  if (fault !== null) throw refusal(key, value, where, fault)
}

function refusal(key: string, value: string, where: string, expected: string): ConfigError {
  // One line, whatever is in it.
  const line = JSON.stringify(value).slice(1, -1)
  const shown = line.length > 200 ? `${line.slice(0, 200)}…` : line
  return new ConfigError(key, `${key}=${shown} (from ${where}): ${expected}`)
}

function fieldOf(key: string): string {
  return key.replace(/\.(.)/g, (_, letter: string) => letter.toUpperCase())
}
