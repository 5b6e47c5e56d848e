/**
 * How the command line prints: data to stdout as a table or as JSON, notes and progress to stderr. Columns are aligned
 * and have upper-case heads, `-` stands for unknown; colour only on a terminal and never under NO_COLOR.
 */
import { styleText } from 'node:util'

export type OutputFormat = 'table' | 'json'

export interface Output {
  readonly format: OutputFormat
  /** One JSON document, or the table. */
  print(json: unknown, table: () => string): void
  /** One item of a stream: one JSON document per line, or the given text. */
  printItem(json: unknown, text: () => string): void
  /** A line for the person at the terminal: stderr. */
  note(line: string): void
  /** A line that the next one replaces when stderr is a terminal; otherwise lines come at most every five seconds. */
  progress(line: string): void
  /** Ends the progress line. */
  endProgress(): void
}

const progressIntervalMs = 5_000

export function createOutput(format: OutputFormat, stdout = process.stdout, stderr = process.stderr): Output {
  let isProgressShown = false
  let lastProgressAt = Number.NEGATIVE_INFINITY
  const endProgress = (): void => {
    if (isProgressShown) stderr.write('\n')
    isProgressShown = false
  }
  return {
    format,
    print: (json, table) => void stdout.write(format === 'json' ? `${toJson(json)}\n` : `${table()}\n`),
    printItem: (json, text) => void stdout.write(format === 'json' ? `${toJson(json)}\n` : text()),
    note(line) {
      endProgress()
      stderr.write(`${line}\n`)
    },
    progress(line) {
      const now = performance.now()
      if (stderr.isTTY) {
        stderr.write(`\r\x1b[K${line}`)
        isProgressShown = true
      } else if (now - lastProgressAt >= progressIntervalMs) {
        stderr.write(`${line}\n`)
        lastProgressAt = now
      }
    },
    endProgress,
  }
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (item instanceof Uint8Array ? bytesToText(item) : item))
}

/** Bytes as a person would read them: UTF-8 when they are that, base64 with a prefix when not. */
export function bytesToText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return `base64:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')}`
  }
}

export type Cell = string | number | boolean | null | undefined

/** A table without borders. Numbers are right-aligned. */
export function renderTable(heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map(row =>
    row.map(cell => (cell === null || cell === undefined || cell === '' ? '-' : String(cell))),
  )
  const widths = heads.map((head, column) => Math.max(head.length, ...texts.map(row => row[column]?.length ?? 0)))
  const isNumeric = heads.map((_, column) => rows.length > 0 && rows.every(row => typeof row[column] === 'number'))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (isNumeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd()
  return [bold(line(heads)), ...texts.map(line)].join('\n')
}

function bold(text: string): string {
  return isColourful(process.stdout) ? styleText('bold', text) : text
}

function isColourful(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
}

export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export function formatBytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let scaled = value
  let unit = 0
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024
    unit++
  }
  return `${unit === 0 ? scaled : scaled.toFixed(1)} ${units[unit]}`
}
