/** Parsers for what is typed: each returns a typed value or throws commander's error with what was expected. */
import { InvalidArgumentError } from 'commander'

export function parseInteger(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = Number(text)
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(
        max === Number.MAX_SAFE_INTEGER
          ? `expected an integer of at least ${min}`
          : `expected an integer from ${min} to ${max}`,
      )
    }
    return value
  }
}

/** `64k`, `10MiB`, `1g`: powers of two. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text)
  if (match === null) throw new InvalidArgumentError('expected a size such as 500, 64KiB or 10MiB')
  return Math.round(Number(match[1]) * 1024 ** ' kmgt'.indexOf(match[2]!.toLowerCase() || ' '))
}

/** `500ms`, `30s`, `5m`, `1h`. */
export function parseDurationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/.exec(text)
  if (match === null) throw new InvalidArgumentError('expected a duration such as 500ms, 30s or 5m')
  return Number(match[1]) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[(match[2] ?? 's') as 'ms' | 's' | 'm' | 'h']
}

/** `key=value`, collected into a map when given several times. */
export function collectPairs(text: string, sofar: Record<string, string> | undefined): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('expected key=value')
  return { ...sofar, [text.slice(0, at)]: text.slice(at + 1) }
}

/** `name:value`, collected into a map when given several times. */
export function collectHeaders(text: string, sofar: Record<string, string> | undefined): Record<string, string> {
  const at = text.indexOf(':')
  if (at < 1) throw new InvalidArgumentError('expected name:value')
  return { ...sofar, [text.slice(0, at)]: text.slice(at + 1) }
}

export function collect(text: string, sofar: string[] | undefined): string[] {
  return [...(sofar ?? []), text]
}

/** An integer that may be given several times. */
export function collectIntegers(min: number): (text: string, sofar: number[] | undefined) => number[] {
  const parse = parseInteger(min)
  return (text, sofar) => [...(sofar ?? []), parse(text)]
}

export function parseAcks(text: string): 0 | 1 | 'all' {
  if (text === '0') return 0
  if (text === '1') return 1
  if (text === 'all' || text === '-1') return 'all'
  throw new InvalidArgumentError('expected 0, 1 or all')
}

/** Where to start reading, as the client takes it: a number below zero counts from the end. */
export type StartPosition = 'start' | 'end' | number | { timestampMs: number }

/** `start`, `end`, `N`, `-N` (from the end), `@ISO-TIME` or `@milliseconds`. */
export function parseStartPosition(text: string): StartPosition {
  if (text === 'start' || text === 'beginning') return 'start'
  if (text === 'end') return 'end'
  if (/^-?\d+$/.test(text)) return Number(text)
  if (text.startsWith('@')) return { timestampMs: parseTime(text.slice(1)) }
  throw new InvalidArgumentError('expected start, end, an offset, -N (from the end) or @TIME')
}

/** A time in ISO form or in milliseconds since 1970. */
export function parseTime(text: string): number {
  const timestampMs = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  if (Number.isNaN(timestampMs)) throw new InvalidArgumentError(`expected an ISO time or milliseconds, found '${text}'`)
  return timestampMs
}

export interface PartitionOffset {
  readonly topic: string
  readonly partition: number
  /** -1 for the end. */
  readonly offset: number
}

/** For arguments that are given several times. */
export function collectPartitionOffsets(text: string, sofar: PartitionOffset[] | undefined): PartitionOffset[] {
  return [...(sofar ?? []), parsePartitionOffset(text)]
}

/** `NAME:PARTITION:OFFSET`. Topic names hold no colon. */
export function parsePartitionOffset(text: string): PartitionOffset {
  const match = /^([^:]+):(\d+):(\d+|end)$/.exec(text)
  if (match === null) throw new InvalidArgumentError(`expected NAME:PARTITION:OFFSET (or …:end), found '${text}'`)
  return { topic: match[1]!, partition: Number(match[2]), offset: match[3] === 'end' ? -1 : Number(match[3]) }
}

export interface PartitionName {
  readonly topic: string
  readonly partition: number
}

/** `NAME:PARTITION`, given several times. */
export function collectPartitions(text: string, sofar: PartitionName[] | undefined): PartitionName[] {
  const match = /^([^:]+):(\d+)$/.exec(text)
  if (match === null) throw new InvalidArgumentError(`expected NAME:PARTITION, found '${text}'`)
  return [...(sofar ?? []), { topic: match[1]!, partition: Number(match[2]) }]
}

/** `1,2,3`: ids of brokers, each once. */
export function parseNodeIds(text: string): number[] {
  const ids = text.split(',').map(part => part.trim())
  if (ids.some(id => !/^\d+$/.test(id))) throw new InvalidArgumentError('expected broker ids such as 1,2,3')
  const unique = [...new Set(ids.map(Number))]
  if (unique.length < ids.length) throw new InvalidArgumentError('expected each broker once')
  return unique
}
