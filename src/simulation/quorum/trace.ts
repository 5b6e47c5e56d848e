/** What happened, as a hash that two runs of one seed must share, and as a tail for people to read. */

interface Line {
  readonly atMs: number
  readonly what: string
  readonly node: number
  readonly other: number
  readonly detail: unknown
}

/** Two FNV-like lanes of 32 bits; numbers below 2^53 go in by both halves. */
export class Trace {
  readonly #linesMax: number
  readonly #onLine: ((line: string) => void) | null
  readonly #lines: Line[] = []
  readonly #names = new Map<string, number>()
  #low = 0x811c9dc5
  #high = 0x1b873593
  #next = 0

  /** Keeps the last `linesMax` lines; `onLine` is handed every one, made readable. */
  constructor(linesMax: number, onLine: ((line: string) => void) | null = null) {
    this.#linesMax = linesMax
    this.#onLine = onLine
  }

  /** `detail` is for people and only read when a line is printed; `size` stands for it in the hash. */
  note(atMs: number, what: string, node: number, other: number, size: number, detail: unknown = undefined): void {
    this.#mix((atMs * 1024) | 0)
    this.#mix(this.#numberOf(what))
    this.#mix((node << 8) ^ other)
    this.#mix(size)
    const line = { atMs, what, node, other, detail }
    this.#lines[this.#next] = line
    this.#next = (this.#next + 1) % this.#linesMax
    this.#onLine?.(readable(line))
  }

  hash(): string {
    return hex(this.#high) + hex(this.#low)
  }

  /** The last lines, oldest first. */
  tail(): string[] {
    return [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)].map(readable)
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193)
    this.#high = Math.imul((this.#high << 13) | (this.#high >>> 19), 5) ^ Math.imul(value ^ this.#low, 0xcc9e2d51)
  }

  #numberOf(name: string): number {
    let number = this.#names.get(name)
    if (number === undefined) {
      number = this.#names.size + 1
      this.#names.set(name, number)
    }
    return number
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}

function readable({ atMs, what, node, other, detail }: Line): string {
  const who = other === 0 ? (node === 0 ? '     ' : `${node}    `) : `${node}→${other}  `
  const text = detail === undefined ? '' : ` ${typeof detail === 'string' ? detail : summary(detail)}`
  return `${atMs.toFixed(3).padStart(11)}  ${who}${what}${text}`
}

/** Numbers and short texts as they are; bytes and lists by how many there are. */
function summary(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`
  if (typeof value !== 'object' || value === null) return String(value)
  const fields = Object.entries(value).filter(([name]) => name !== 'kind' && name !== 'from')
  return fields.map(([name, field]) => `${name}=${short(field)}`).join(' ')
}

function short(field: unknown): string {
  if (field instanceof Uint8Array) return `${field.length} B`
  if (Array.isArray(field)) return field.length > 8 ? `${field.length} of them` : `[${field.map(short).join(',')}]`
  if (typeof field === 'object' && field !== null) {
    const { index, term, kind = '', from } = field as { index?: number; term?: number; kind?: string; from?: number }
    if (index !== undefined) return `${index}@${term}`
    return from === undefined ? `${kind}{${summary(field)}}` : `${kind} of ${from} {${summary(field)}}`
  }
  return String(field)
}
