/**
 * A peer sent what the protocol does not allow: a wrong type, arity, length or kind. `path` names the field
 * (`ProduceRequest.partitions.records`), `expected` what should have stood there. The offending value itself is never
 * echoed, only its kind: it may be large, secret or hostile.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly path: string
  readonly expected: string
  readonly found: string

  /** `found` is the value that stood there; use `described` to say it in words. */
  constructor(path: string, expected: string, found: unknown, options?: ErrorOptions) {
    const kind = found instanceof Described ? found.text : kindOf(found)
    super(`${path}: expected ${expected}, found ${kind}`, options)
    this.path = path
    this.expected = expected
    this.found = kind
  }

  /** The same error seen from the enclosing field. */
  under(parent: string): ProtocolError {
    const path = this.path === '' ? parent : `${parent}.${this.path}`
    return new ProtocolError(path, this.expected, new Described(this.found), { cause: this.cause })
  }
}

class Described {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** For the third argument of `ProtocolError`: what was found, in words of ours rather than the peer's. */
export function described(text: string): unknown {
  return new Described(text)
}

function kindOf(value: unknown): string {
  if (value === null) return 'nil'
  if (typeof value === 'number') return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value === 'string') return `a string of ${value.length}`
  return typeof value
}
