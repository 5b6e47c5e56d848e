/** The kinds of setting there are: what each accepts as text, and what it becomes. */
import { KiB } from '../../util/units.ts'
import { type Listener, listenersFault, parseListeners, parseVoters, type Voter, votersFault } from './addresses.ts'

export type Unit = 'bytes' | 'ms' | 'seconds' | 'count'

export interface Kind<T> {
  /** For the table: `integer`, `sync or os`. */
  readonly name: string
  readonly unit?: Unit
  /** Bounds of a number, inclusive. */
  readonly min?: number
  readonly max?: number
  /** What is wrong with the text, as a clause that says what was expected; `null`: nothing. */
  fault(text: string): string | null
  /** Of text without fault. */
  parse(text: string): T
}

function integer(min: number, max: number, unit: Unit): Kind<number> {
  return {
    name: 'integer',
    unit,
    min,
    max,
    fault(text) {
      const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN
      if (Number.isSafeInteger(value) && value >= min && value <= max) return null
      return `expected an integer from ${min} to ${max}${unit === 'count' ? '' : ` (${unit})`}`
    },
    parse: Number,
  }
}

export function count(min: number, max: number): Kind<number> {
  return integer(min, max, 'count')
}

export function bytes(min: number, max: number): Kind<number> {
  return integer(min, max, 'bytes')
}

export function ms(min: number, max: number): Kind<number> {
  return integer(min, max, 'ms')
}

export function seconds(min: number, max: number): Kind<number> {
  return integer(min, max, 'seconds')
}

/** Bytes per second; -1 for no limit. */
export const rateOrNone: Kind<number> = {
  ...integer(KiB, Number.MAX_SAFE_INTEGER, 'bytes'),
  name: '-1, or integer',
  fault: text => (text === '-1' ? null : integer(KiB, Number.MAX_SAFE_INTEGER, 'bytes').fault(text)),
}

export const boolean: Kind<boolean> = {
  name: 'true or false',
  fault: text => (text === 'true' || text === 'false' ? null : 'expected true or false'),
  parse: text => text === 'true',
}

/** `later` names values that will exist, each with the reason why not yet. */
export function oneOf<const T extends string>(
  values: readonly T[],
  later: Readonly<Record<string, string>> = {},
): Kind<T> {
  const expected = values.join(' or ')
  return {
    name: expected,
    fault(text) {
      if ((values as readonly string[]).includes(text)) return null
      return Object.hasOwn(later, text) ? later[text]! : `expected ${expected}`
    },
    parse: text => text as T,
  }
}

export const nonEmptyText: Kind<string> = {
  name: 'text',
  fault: text => (text.trim() === '' ? 'expected a text that is not empty' : null),
  parse: text => text,
}

/** One directory. Kafka allows several; here a node has one. */
export const directory: Kind<string> = {
  name: 'directory',
  fault(text) {
    if (text.trim() === '') return 'expected a directory'
    return text.includes(',') ? 'expected one directory: a node keeps its data in one place' : null
  },
  parse: text => text,
}

/** Empty text is `null`. */
export const optionalText: Kind<string | null> = {
  name: 'text, or nothing',
  fault: text => (text.length <= 255 ? null : 'expected at most 255 characters'),
  parse: text => (text === '' ? null : text),
}

/** Comma-separated; blanks around the parts do not count. */
function list(partName: string, pattern: RegExp, expected: string): Kind<readonly string[]> {
  return {
    name: `list of ${partName}`,
    fault: text => (splitList(text).every(part => pattern.test(part)) ? null : expected),
    parse: splitList,
  }
}

/** As browsers send them: scheme, host and port, nothing behind. */
export const origins = list('origins', /^https?:\/\/[^/\s]+$/, 'expected origins such as https://console.example:8443')

export const hosts = list('host names', /^[a-zA-Z0-9._:[\]-]+$/, 'expected host names, without a scheme or a path')

/** What a node is: one process may be a whole system, or a part of one. */
export const roles: Kind<readonly ('broker' | 'controller')[]> = {
  name: 'broker, controller, or both',
  fault(text) {
    const names = splitList(text)
    const isKnown = names.every(name => name === 'broker' || name === 'controller')
    return isKnown && names.length > 0 && new Set(names).size === names.length
      ? null
      : 'expected broker, controller, or broker,controller'
  },
  parse: text => splitList(text) as ('broker' | 'controller')[],
}

export const listeners: Kind<readonly Listener[]> = {
  name: 'list of ws://host:port',
  fault: text => listenersFault(splitList(text)),
  parse: text => parseListeners(splitList(text)),
}

/** Empty: none of its own. */
export const optionalListeners: Kind<readonly Listener[] | null> = {
  name: 'list of ws://host:port, or nothing',
  fault: text => (text === '' ? null : listenersFault(splitList(text))),
  parse: text => (text === '' ? null : parseListeners(splitList(text))),
}

/** Empty: this node alone. */
export const voters: Kind<readonly Voter[]> = {
  name: 'list of id@host:port, or nothing',
  fault: text => votersFault(splitList(text)),
  parse: text => parseVoters(splitList(text)),
}

export function splitList(text: string): string[] {
  return text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
}
