/**
 * A message of the protocol is one MessagePack array: request `[apiKey, apiVersion, correlationId, body]`, response
 * `[correlationId, errorCode, body]`, where the body of an error is its message or nil. This file turns messages into
 * bytes and back; every frame is pre-scanned before it is decoded, and the caller applies the body's schema.
 */
import type { Api } from './api.ts'
import { limits } from './common.ts'
import { noError } from './errors.ts'
import { pack, packInParts, unpack } from './msgpack.ts'
import type { FrameLimits } from './prescan.ts'
import { described, ProtocolError } from './protocol-error.ts'
import { clipText, int16, int32 } from './schema.ts'

export interface RequestEnvelope {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  /** Not validated yet: `api.request.decode(body, apiVersion, …)`. Its `bin` values are views of the frame. */
  readonly body: unknown
}

export interface ResponseEnvelope {
  readonly correlationId: number
  /** 0: `body` is the response; otherwise it is the error's message or nil. */
  readonly errorCode: number
  readonly body: unknown
}

/** Throws `ProtocolError` when the body is not what the schema says. The bytes are the caller's. */
export function encodeRequest<Q>(api: Api<Q, unknown>, version: number, correlationId: number, body: Q): Uint8Array {
  return pack([api.key, version, correlationId, api.request.encode(body, version, api.requestPath)])
}

/** The same in parts, to be sent one behind the other: large values are not copied, they are the body's own bytes. */
export function encodeRequestInParts<Q>(
  api: Api<Q, unknown>,
  version: number,
  correlationId: number,
  body: Q,
): Uint8Array[] {
  return packInParts([api.key, version, correlationId, api.request.encode(body, version, api.requestPath)])
}

/**
 * In parts, to be sent one behind the other: large values are the body's own bytes. Throws `ProtocolError` when the body is
 * not what the schema says.
 */
export function encodeResponse<S>(api: Api<unknown, S>, version: number, correlationId: number, body: S): Uint8Array[] {
  return packInParts([correlationId, noError, api.response.encode(body, version, api.responsePath)])
}

/** `message` is cut to what the protocol allows. */
export function encodeErrorResponse(correlationId: number, errorCode: number, message: string | null): Uint8Array {
  return pack([correlationId, errorCode, message === null ? null : clipText(message, limits.errorMessageLength)])
}

/** Throws `ProtocolError` for what is not a request frame. */
export function decodeRequestEnvelope(bytes: Uint8Array, frameLimits: FrameLimits): RequestEnvelope {
  const frame = decodeEnvelope(bytes, frameLimits, 4, 'a request [apiKey, apiVersion, correlationId, body]')
  return {
    apiKey: int16.decode(frame[0], 0, 'frame.apiKey'),
    apiVersion: int16.decode(frame[1], 0, 'frame.apiVersion'),
    correlationId: int32.decode(frame[2], 0, 'frame.correlationId'),
    body: frame[3],
  }
}

/** Throws `ProtocolError` for what is not a response frame. */
export function decodeResponseEnvelope(bytes: Uint8Array, frameLimits: FrameLimits): ResponseEnvelope {
  const frame = decodeEnvelope(bytes, frameLimits, 3, 'a response [correlationId, errorCode, body]')
  const errorCode = int16.decode(frame[1], 0, 'frame.errorCode')
  const body = frame[2]
  if (errorCode !== noError && body !== null && typeof body !== 'string') {
    throw new ProtocolError('frame.body', 'the message of an error, or nil', body)
  }
  return { correlationId: int32.decode(frame[0], 0, 'frame.correlationId'), errorCode, body }
}

function decodeEnvelope(bytes: Uint8Array, frameLimits: FrameLimits, arity: number, expected: string): unknown[] {
  const frame = unpack(bytes, frameLimits)
  if (!Array.isArray(frame)) throw new ProtocolError('frame', expected, described('no array'))
  if (frame.length !== arity) throw new ProtocolError('frame', expected, frame)
  return frame
}
