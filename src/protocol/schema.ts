/**
 * The schema language of the protocol. One schema gives the TypeScript type, the encoder, the validating decoder and
 * the table in docs/PROTOCOL.md. On the wire a struct is a positional array of its fields, so names never travel and
 * a peer's bytes never become property names; `struct({})` is an empty array.
 *
 * A schema is compiled into closures once. Decoding walks the plain values MessagePack gave and either returns a typed
 * body or throws `ProtocolError` naming the path that is wrong; encoding checks the same rules, so a caller's mistake
 * is found here and not by the peer. Fields carry the version they appeared in: a peer of an older version neither
 * sends nor receives them.
 */
import { described, ProtocolError } from './protocol-error.ts'

export interface Type<T> {
  /** For docs: `int32`, `string(≤255)`, `array<…>`. */
  readonly name: string
  /** What the type is made of: docs and tests walk it. */
  readonly shape: Shape
  /** `path` names the value in errors. */
  encode(value: T, version: number, path?: string): unknown
  /** `path` is a constant label of the enclosing field; it is only joined when something is wrong. */
  decode(wire: unknown, version: number, path: string): T
}

export type Shape =
  | { readonly kind: 'struct'; readonly fields: Fields }
  | { readonly kind: 'array'; readonly item: Type<unknown>; readonly countMax: number }
  | { readonly kind: 'nullable'; readonly inner: Type<unknown> }
  | { readonly kind: 'either'; readonly first: Type<unknown>; readonly second: Type<unknown> }
  | { readonly kind: 'string' | 'bytes'; readonly lengthMax: number }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  | { readonly kind: 'oneOf'; readonly values: readonly string[] }
  | { readonly kind: 'boolean' | 'float64' }

export interface FieldOptions<T> {
  /** First API version that carries the field. Default 0. */
  since?: number
  /** What a peer of an older version is taken to have said. Needed when `since` is above 0. */
  whenAbsent?: T
}

export interface Field<T> {
  readonly type: Type<T>
  readonly doc: string
  readonly since: number
  readonly whenAbsent: T | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: a struct's fields have as many types as it has fields
export type Fields = Record<string, Field<any>>
export type Infer<T> = T extends Type<infer U> ? U : never
export type InferFields<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

export interface StructType<T> extends Type<T> {
  readonly fields: Fields
}

/** A field of a struct: its type, and one sentence for the docs. */
export function field<T>(type: Type<T>, doc: string, options: FieldOptions<T> = {}): Field<T> {
  return { type, doc, since: options.since ?? 0, whenAbsent: options.whenAbsent }
}

export function struct<F extends Fields>(fields: F): StructType<InferFields<F>> {
  type T = InferFields<F>
  const entries = Object.entries(fields).map(([key, f]) => ({ key, ...f }))
  // Cloning an object that has every property already is cheaper than adding them one by one.
  const template: Record<string, unknown> = Object.fromEntries(entries.map(f => [f.key, f.whenAbsent]))
  return {
    name: 'struct',
    shape: { kind: 'struct', fields },
    fields,
    encode(value, version, path = '') {
      if (typeof value !== 'object' || value === null) throw new ProtocolError(path, 'an object (struct)', value)
      const wire: unknown[] = []
      for (const f of entries) {
        if (f.since > version) continue
        try {
          wire.push(f.type.encode((value as Record<string, unknown>)[f.key], version, f.key))
        } catch (error) {
          throw enclosed(error, path)
        }
      }
      return wire
    },
    decode(wire, version, path) {
      if (!Array.isArray(wire)) throw new ProtocolError(path, 'an array (struct)', wire)
      const value = { ...template }
      let at = 0
      for (const f of entries) {
        if (f.since > version) continue
        if (at >= wire.length) throw new ProtocolError(path, `field '${f.key}' as item ${at}`, wire)
        // Names the field only when it fails: on the happy path no string is built.
        try {
          value[f.key] = f.type.decode(wire[at++], version, f.key)
        } catch (error) {
          throw enclosed(error, path)
        }
      }
      if (at !== wire.length) throw new ProtocolError(path, `an array of ${at} (one per field)`, wire)
      return value as T
    },
  }
}

function enclosed(error: unknown, path: string): unknown {
  return error instanceof ProtocolError && path !== '' ? error.under(path) : error
}

export function array<T>(item: Type<T>, options: { countMax: number }): Type<T[]> {
  const { countMax } = options
  const check = (value: unknown, path: string): void => {
    if (!Array.isArray(value)) throw new ProtocolError(path, 'an array', value)
    if (value.length > countMax) throw new ProtocolError(path, `at most ${countMax} items`, value.length)
  }
  return {
    name: `array<${item.name}>(≤${countMax})`,
    shape: { kind: 'array', item, countMax },
    encode(value, version, path = '') {
      check(value, path)
      const wire = new Array<unknown>(value.length)
      for (let i = 0; i < value.length; i++) wire[i] = item.encode(value[i]!, version, path)
      return wire
    },
    decode(wire, version, path) {
      check(wire, path)
      const items = wire as unknown[]
      const out = new Array<T>(items.length)
      for (let i = 0; i < items.length; i++) out[i] = item.decode(items[i], version, path)
      return out
    },
  }
}

export function nullable<T>(inner: Type<T>): Type<T | null> {
  return {
    name: inner.shape.kind === 'either' ? `(${inner.name})?` : `${inner.name}?`,
    shape: { kind: 'nullable', inner },
    encode: (value, version, path) => (value === null ? null : inner.encode(value, version, path)),
    decode: (wire, version, path) => (wire === null ? null : inner.decode(wire, version, path)),
  }
}

/** UTF-8 text of at most `lengthMax` UTF-16 code units (as JavaScript and Java count). */
export function string(options: { lengthMax: number }): Type<string> {
  const { lengthMax } = options
  const type = scalar<string>(
    `string(≤${lengthMax})`,
    { kind: 'string', lengthMax },
    w => typeof w === 'string' && w.length <= lengthMax,
  )
  return {
    ...type,
    encode(value, version, path = '') {
      type.encode(value, version, path)
      // Half a surrogate pair has no UTF-8; the peer would have to refuse the whole frame.
      if (loneSurrogate.test(value))
        throw new ProtocolError(path, 'well-formed text', described('half a surrogate pair'))
      return value
    },
  }
}

const loneSurrogate = /\p{Surrogate}/u

/** Text for people: the sender cuts what is longer than `lengthMax` and mends what is not well-formed. */
export function prose(options: { lengthMax: number }): Type<string> {
  const type = string(options)
  return {
    ...type,
    encode: (value, version, path) => type.encode(clipText(value, options.lengthMax), version, path),
  }
}

/** The first `lengthMax` UTF-16 code units of `value`, well-formed. */
export function clipText(value: string, lengthMax: number): string {
  const clipped = value.length > lengthMax ? value.slice(0, lengthMax) : value
  return loneSurrogate.test(clipped) ? clipped.replace(/\p{Surrogate}/gu, '\ufffd') : clipped
}

/** Opaque bytes (MessagePack `bin`). The decoded value is a view of the frame: copy it if it outlives the request. */
export function bytes(options: { lengthMax: number }): Type<Uint8Array> {
  const { lengthMax } = options
  return scalar<Uint8Array>(
    `bytes(≤${lengthMax})`,
    { kind: 'bytes', lengthMax },
    w => w instanceof Uint8Array && w.length <= lengthMax,
  )
}

export const boolean: Type<boolean> = scalar('boolean', { kind: 'boolean' }, w => typeof w === 'boolean')
export const int8 = integer('int8', -128, 127)
export const int16 = integer('int16', -32_768, 32_767)
export const int32 = integer('int32', -2_147_483_648, 2_147_483_647)
/** 64-bit on paper; a safe integer in fact, checked here at the gateway. */
export const int64 = integer('int64', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
/** Node ids, which are positive int32 everywhere else. */
export const uint31 = integer('uint31', 0, 2_147_483_647)
/** Checksums. */
export const uint32 = integer('uint32', 0, 0xffff_ffff)
/** Counts, terms and indexes. */
export const uint53 = integer('uint53', 0, Number.MAX_SAFE_INTEGER)
export const float64: Type<number> = scalar('float64', { kind: 'float64' }, w => typeof w === 'number')

/**
 * Always sent as a MessagePack integer. A whole number sent as float64 is accepted too: libraries of languages whose
 * only number is a double write large integers that way.
 */
function integer(name: string, min: number, max: number): Type<number> {
  const accepts = (w: unknown): boolean => Number.isSafeInteger(w) && (w as number) >= min && (w as number) <= max
  return {
    name,
    shape: { kind: 'integer', min, max },
    encode(value, _version, path = '') {
      if (!accepts(value)) throw new ProtocolError(path, name, value)
      // msgpackr writes numbers beyond 32 bits as float64, and a BigInt as int64.
      return value > 0xffff_ffff || value < -0x8000_0000 ? BigInt(value) : value
    },
    decode(wire, _version, path) {
      if (!accepts(wire)) throw new ProtocolError(path, name, wire)
      return (wire as number) + 0 // a float64 of -0 becomes 0
    },
  }
}

/** One of a closed list of strings. */
export function oneOf<const S extends readonly string[]>(...values: S): Type<S[number]> {
  return scalar<S[number]>(values.map(v => `'${v}'`).join(' | '), { kind: 'oneOf', values }, w =>
    values.includes(w as string),
  )
}

/** Either of two types that differ in their MessagePack kind, told apart by `isFirst`. */
export function either<A, B>(first: Type<A>, second: Type<B>, isFirst: (value: unknown) => boolean): Type<A | B> {
  return {
    name: `${first.name} | ${second.name}`,
    shape: { kind: 'either', first, second },
    encode: (value, version, path) =>
      isFirst(value) ? first.encode(value as A, version, path) : second.encode(value as B, version, path),
    decode: (wire, version, path) => (isFirst(wire) ? first : second).decode(wire, version, path) as A | B,
  }
}

/** A type whose wire form is the value itself. */
function scalar<T>(name: string, shape: Shape, accepts: (wire: unknown) => boolean): Type<T> {
  return {
    name,
    shape,
    encode(value, _version, path = '') {
      if (!accepts(value)) throw new ProtocolError(path, name, value)
      return value
    },
    decode(wire, _version, path) {
      if (!accepts(wire)) throw new ProtocolError(path, name, wire)
      return wire as T
    },
  }
}
