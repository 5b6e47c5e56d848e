/**
 * The schema language of the protocol. One schema gives the TypeScript type, the encoder, the validating decoder and
 * the table in docs/PROTOCOL.md. On the wire a struct is a positional array of its fields, so names never travel and
 * a peer's bytes never become property names.
 *
 * A schema is compiled into closures once; decoding walks the plain values MessagePack gave and either returns a typed
 * body or throws `ProtocolError` naming the path that is wrong. Fields carry the version they appeared in: a peer of an
 * older version neither sends nor receives them.
 */
import { ProtocolError } from './protocol-error.ts'

export interface Type<T> {
  /** For docs: `int32`, `string(≤255)`, `array<…>`. */
  readonly name: string
  /** For docs: the nested struct of arrays and nullables, if there is one. */
  readonly struct: StructType<unknown> | null
  encode(value: T, version: number): unknown
  /** `path` is a constant label of the enclosing field; it is only joined when something is wrong. */
  decode(wire: unknown, version: number, path: string): T
}

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
  const type: StructType<T> = {
    name: 'struct',
    fields,
    get struct() {
      return type as StructType<unknown>
    },
    encode(value, version) {
      const wire: unknown[] = []
      for (const f of entries) {
        if (f.since <= version) wire.push(f.type.encode((value as Record<string, unknown>)[f.key], version))
      }
      return wire
    },
    decode(wire, version, path) {
      if (!Array.isArray(wire)) throw new ProtocolError(path, 'an array (struct)', wire)
      const value: Record<string, unknown> = {}
      let at = 0
      for (const f of entries) {
        if (f.since > version) {
          value[f.key] = f.whenAbsent
          continue
        }
        if (at >= wire.length) throw new ProtocolError(path, `field '${f.key}' (the array ends before it)`, wire.length)
        value[f.key] = decodeField(f.type, wire[at++], version, path, f.key)
      }
      if (at !== wire.length) throw new ProtocolError(path, `an array of ${at} fields`, wire.length)
      return value as T
    },
  }
  return type
}

/** Names the field only when it fails: on the happy path no string is built. */
function decodeField<T>(type: Type<T>, wire: unknown, version: number, path: string, key: string): T {
  try {
    return type.decode(wire, version, key)
  } catch (error) {
    if (error instanceof ProtocolError) throw error.under(path)
    throw error
  }
}

export function array<T>(item: Type<T>, options: { countMax: number }): Type<T[]> {
  return {
    name: `array<${item.name}>(≤${options.countMax})`,
    struct: item.struct,
    encode: (value, version) => value.map(v => item.encode(v, version)),
    decode(wire, version, path) {
      if (!Array.isArray(wire)) throw new ProtocolError(path, 'an array', wire)
      if (wire.length > options.countMax) throw new ProtocolError(path, `at most ${options.countMax} items`, wire.length)
      const out = new Array<T>(wire.length)
      for (let i = 0; i < wire.length; i++) out[i] = item.decode(wire[i], version, path)
      return out
    },
  }
}

export function nullable<T>(inner: Type<T>): Type<T | null> {
  return {
    name: `${inner.name}?`,
    struct: inner.struct,
    encode: (value, version) => (value === null ? null : inner.encode(value, version)),
    decode: (wire, version, path) => (wire === null ? null : inner.decode(wire, version, path)),
  }
}

export function string(options: { lengthMax: number }): Type<string> {
  return scalar<string>(`string(≤${options.lengthMax})`, w => typeof w === 'string' && w.length <= options.lengthMax)
}

/** Opaque bytes (MessagePack `bin`). The decoded value is a view of the frame: copy it if it outlives the request. */
export function bytes(options: { lengthMax: number }): Type<Uint8Array> {
  return scalar<Uint8Array>(`bytes(≤${options.lengthMax})`, w => w instanceof Uint8Array && w.length <= options.lengthMax)
}

export const boolean: Type<boolean> = scalar<boolean>('boolean', w => typeof w === 'boolean')
export const int8 = integer('int8', -128, 127)
export const int16 = integer('int16', -32_768, 32_767)
export const int32 = integer('int32', -2_147_483_648, 2_147_483_647)
/** 64-bit on paper; a safe integer in fact, checked here at the gateway. */
export const int64 = integer('int64', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
export const float64: Type<number> = scalar<number>('float64', w => typeof w === 'number')

function integer(name: string, min: number, max: number): Type<number> {
  return scalar<number>(name, w => Number.isSafeInteger(w) && (w as number) >= min && (w as number) <= max)
}

/** One of a closed list of strings. */
export function oneOf<const S extends readonly string[]>(...values: S): Type<S[number]> {
  return scalar<S[number]>(values.map(v => `'${v}'`).join(' | '), w => values.includes(w as string))
}

/** Either of two types that differ in their MessagePack kind, told apart by `isFirst`. */
export function either<A, B>(first: Type<A>, second: Type<B>, isFirst: (value: unknown) => boolean): Type<A | B> {
  return {
    name: `${first.name} | ${second.name}`,
    struct: first.struct ?? second.struct,
    encode: (value, version) => (isFirst(value) ? first.encode(value as A, version) : second.encode(value as B, version)),
    decode: (wire, version, path) => (isFirst(wire) ? first : second).decode(wire, version, path) as A | B,
  }
}

/** A type whose wire form is the value itself. */
function scalar<T>(name: string, accepts: (wire: unknown) => boolean): Type<T> {
  return {
    name,
    struct: null,
    encode: value => value,
    decode(wire, _version, path) {
      if (!accepts(wire)) throw new ProtocolError(path, name, wire)
      return wire as T
    },
  }
}
