/**
 * A peer sent what the protocol does not allow: a wrong type, arity, length or kind. `path` names the field
 * (`ProduceRequest.topics.partitions.records`), `expected` what should have stood there. The offending value itself is
 * never echoed, only its kind: it may be large, secret or hostile.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly path: string
  readonly expected: string
  readonly found: string

  constructor(path: string, expected: string, found: unknown) {
    const kind = typeof found === 'number' ? String(found) : kindOf(found)
    super(`${path}: expected ${expected}, found ${kind}`)
    this.path = path
    this.expected = expected
    this.found = kind
  }

  /** The same error seen from the enclosing field. */
  under(parent: string): ProtocolError {
    const error = new ProtocolError(`${parent}.${this.path}`, this.expected, null)
    error.message = `${error.path}: expected ${this.expected}, found ${this.found}`
    return error
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'nil'
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value === 'string') return `a string of ${value.length}`
  return typeof value
}
