/** Where settings come from, and what each source makes of `key = value`: text, whatever it was written as. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type * as Yaml from 'yaml'
import { ConfigError } from '../../util/errors.ts'

export type Origin = 'default' | 'file' | 'environment' | 'set'

export interface Given {
  readonly key: string
  readonly value: string
  readonly origin: Exclude<Origin, 'default'>
  /** For messages: `/etc/millrace.yaml`, `MILLRACE_NODE_ID`, `--set`. */
  readonly where: string
}

const environmentPrefix = 'MILLRACE_'
/** What the command line's client side and the tests read, and what Kubernetes and Docker set for a service `millrace`. */
const notSettings =
  /^MILLRACE_(BOOTSTRAP|TEST_\w+|PORT|(.*_)?SERVICE_(HOST|PORT).*|(.*_)?PORT_\d+_(TCP|UDP).*|(.*_)?PORT)$/

export function environmentName(key: string): string {
  return environmentPrefix + key.toUpperCase().replaceAll('.', '_')
}

/** Throws `ConfigError` for a file that cannot be read or is not a map. */
export function fromFile(path: string): Given[] {
  let document: unknown
  try {
    // Loaded here: most nodes have no file, and the parser takes longer to load than they take to read their settings.
    const yaml = createRequire(import.meta.url)('yaml') as typeof Yaml
    document = yaml.parse(readFileSync(path, 'utf8'), { intAsBigInt: true })
  } catch (error) {
    // The parser shows the place in several lines; its first says where and what.
    const [reason] = (error as Error).message.split('\n')
    throw new ConfigError('config', `cannot read ${path}: ${reason}`, { cause: error })
  }
  if (document === null) return []
  if (!isMap(document)) throw new ConfigError('config', `${path} is not a map of settings`)
  const given = new Map<string, Given>()
  flatten(document, '', (key, value) => {
    if (given.has(key)) throw new ConfigError(key, `${key} is set twice in ${path}`)
    given.set(key, { key, value: scalarText(key, value, path), origin: 'file', where: path })
  })
  return [...given.values()]
}

/** `keysByName` maps the names of all settings' variables to their keys. Unknown variables keep their name as key. */
export function fromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  keysByName: ReadonlyMap<string, string>,
): Given[] {
  return Object.entries(environment).flatMap(([name, value]) => {
    if (!name.startsWith(environmentPrefix) || value === undefined) return []
    const key = keysByName.get(name)
    if (key === undefined && notSettings.test(name)) return []
    return [{ key: key ?? name, value, origin: 'environment', where: name }]
  })
}

export function fromOverrides(overrides: Readonly<Record<string, string | number | boolean>>): Given[] {
  return Object.entries(overrides).map(([key, value]) => ({ key, value: String(value), origin: 'set', where: '--set' }))
}

/** `a: { b: 1 }` is `a.b = 1`. A list is its parts with commas between. */
function flatten(map: Record<string, unknown>, prefix: string, put: (key: string, value: unknown) => void): void {
  for (const [name, value] of Object.entries(map)) {
    if (isMap(value)) flatten(value, `${prefix}${name}.`, put)
    else put(prefix + name, value)
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function scalarText(key: string, value: unknown, path: string): string {
  if (Array.isArray(value)) return value.map(part => scalarText(key, part, path)).join(',')
  if (['string', 'number', 'bigint', 'boolean'].includes(typeof value)) return String(value)
  throw new ConfigError(key, `${key} in ${path} has no value`)
}
