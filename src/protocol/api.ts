import type { Infer, StructType } from './schema.ts'

/**
 * One kind of request: its key and versions, the schema of both bodies, and what docs/PROTOCOL.md says about it.
 * Keys below 1000 are Kafka's for the same request; Millrace's own begin at 1000.
 */
export interface Api<Request = unknown, Response = unknown> {
  readonly key: number
  readonly name: string
  /** Inclusive. */
  readonly versionMin: number
  /** Inclusive. */
  readonly versionMax: number
  readonly doc: string
  readonly request: StructType<Request>
  readonly response: StructType<Response>
  /** `ProduceRequest`: where the path in an error begins. Made once, not for each message. */
  readonly requestPath: string
  readonly responsePath: string
}

export type RequestOf<A> = A extends Api<infer R, unknown> ? R : never
export type ResponseOf<A> = A extends Api<unknown, infer R> ? R : never

interface ApiSpec<Q, S> {
  key: number
  name: string
  versions: readonly [min: number, max: number]
  doc: string
  request: Q
  response: S
}

export function defineApi<Q extends StructType<unknown>, S extends StructType<unknown>>(
  spec: ApiSpec<Q, S>,
): Api<Infer<Q>, Infer<S>> {
  return {
    key: spec.key,
    name: spec.name,
    versionMin: spec.versions[0],
    versionMax: spec.versions[1],
    doc: spec.doc,
    request: spec.request as unknown as StructType<Infer<Q>>,
    response: spec.response as unknown as StructType<Infer<S>>,
    requestPath: `${spec.name}Request`,
    responsePath: `${spec.name}Response`,
  }
}
