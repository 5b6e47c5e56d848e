/**
 * Where a node writes what happened to it: stderr, one line each. For a person at a terminal a short readable line, for
 * everything else JSON through pino, which is loaded only then.
 */
import { writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import type { Logger } from '../util/logger.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
export type LogFormat = 'auto' | 'json' | 'text'

const ranks: Readonly<Record<LogLevel, number>> = { debug: 20, info: 30, warn: 40, error: 50, silent: 100 }
const stderr = 2

export async function openLogger(level: LogLevel, format: LogFormat = 'auto'): Promise<Logger> {
  const isText = format === 'text' || (format === 'auto' && isatty(stderr))
  return isText ? textLogger(level, line => writeSync(stderr, line)) : jsonLogger(level)
}

async function jsonLogger(level: LogLevel): Promise<Logger> {
  const { pino } = await import('pino')
  const { err } = pino.stdSerializers
  const serializers = { error: err, err }
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers }
  const logger: Logger = pino(options, pino.destination(stderr))
  return logger
}

/** `12:03:04.567 WARN  no topic owns this directory  topic=orders partition=3` */
export function textLogger(level: LogLevel, write: (line: string) => void, now: () => Date = () => new Date()): Logger {
  const at = (name: Exclude<LogLevel, 'silent'>) => {
    if (ranks[name] < ranks[level]) return () => {}
    const label = name.toUpperCase().padEnd(5)
    return (fields: Record<string, unknown>, message: string): void => {
      const details = Object.entries(fields).map(([key, value]) => `${key}=${text(value)}`)
      write(
        `${now().toISOString().slice(11, 23)} ${label} ${message}${details.length === 0 ? '' : `  ${details.join(' ')}`}\n`,
      )
    }
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function text(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message)
  if (typeof value === 'string') return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value)
  return JSON.stringify(value) ?? String(value)
}
