/**
 * Client sessions around any state machine (Raft, section 8; thesis, section 6.3): beside the state, and replicated like
 * it, each client's latest request and the answer to it. A retry, at whatever leader, gets that answer and changes nothing.
 *
 * Entries are `[clientId, requestId, data]`, the first two nil without a session. Snapshots begin with the sessions.
 */
import { ApiError } from '../../protocol/errors.ts'
import { pack, unpack } from '../../protocol/msgpack.ts'
import { responseFrameLimits } from '../../protocol/prescan.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { concatBytes } from '../../util/bytes.ts'
import { piecesOf } from './answers.ts'
import type { RaftEntry, RaftSession, RaftStateMachine } from './types.ts'

/** The answer to a request, or that it is older than the client's latest: what became of it is forgotten. */
export type SessionAnswer<Result> =
  | { readonly kind: 'answer'; readonly answer: Result }
  | { readonly kind: 'forgotten' }

interface Latest {
  readonly requestId: number
  /** JSON; `null` for `undefined`. Text, because what is remembered must not change with what was handed out. */
  readonly answer: string | null
}

type Envelope = readonly [clientId: string | null, requestId: number | null, data: Uint8Array]

const lengthBytes = 4
const clientIdLengthMax = 256

export function encodeSessionEntry(data: Uint8Array, session: RaftSession | null): Uint8Array {
  return pack([session?.clientId ?? null, session?.requestId ?? null, data] satisfies Envelope)
}

export class SessionMachine<Result> implements RaftStateMachine<SessionAnswer<Result>> {
  readonly #machine: RaftStateMachine<Result>
  readonly #clientsMax: number
  /** Who asked last is last: the order is part of the state, it decides who is forgotten. */
  #latest = new Map<string, Latest>()

  constructor(machine: RaftStateMachine<Result>, clientsMax: number) {
    this.#machine = machine
    this.#clientsMax = clientsMax
  }

  apply({ index, data }: RaftEntry): SessionAnswer<Result> {
    const [clientId, requestId, inner] = decodeEntry(data)
    if (clientId === null || requestId === null)
      return { kind: 'answer', answer: this.#machine.apply({ index, data: inner }) }
    const latest = this.#latest.get(clientId)
    if (latest !== undefined && requestId < latest.requestId) return { kind: 'forgotten' }
    if (latest?.requestId === requestId) return { kind: 'answer', answer: parsed(latest.answer) }
    const answer = JSON.stringify(this.#machine.apply({ index, data: inner })) ?? null
    this.#remember(clientId, { requestId, answer })
    return { kind: 'answer', answer: parsed(answer) }
  }

  snapshot(): Iterable<Uint8Array> {
    const sessions = pack([...this.#latest].map(([clientId, { requestId, answer }]) => [clientId, requestId, answer]))
    const length = new Uint8Array(lengthBytes)
    new DataView(length.buffer).setUint32(0, sessions.length)
    return inOrder(concatBytes([length, sessions]), piecesOf(this.#machine.snapshot()))
  }

  *restore(snapshot: Uint8Array): Iterable<void> {
    const view = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength)
    const end = lengthBytes + view.getUint32(0)
    const sessions = unpack(snapshot.subarray(lengthBytes, end), responseFrameLimits)
    const latest = new Map(
      (sessions as [string, number, string | null][]).map(([id, requestId, answer]) => [id, { requestId, answer }]),
    )
    yield* this.#machine.restore(snapshot.subarray(end)) ?? []
    this.#latest = latest
  }

  #remember(clientId: string, latest: Latest): void {
    this.#latest.delete(clientId)
    this.#latest.set(clientId, latest)
    if (this.#latest.size <= this.#clientsMax) return
    const [silentLongest] = this.#latest.keys()
    this.#latest.delete(silentLongest!)
  }
}

function decodeEntry(data: Uint8Array): Envelope {
  const envelope = unpack(data, responseFrameLimits)
  if (!Array.isArray(envelope) || envelope.length !== 3)
    throw new ProtocolError('entry', 'one with a session', 'one of a group that was founded without sessions')
  return envelope as unknown as Envelope
}

function* inOrder(first: Uint8Array, others: Iterable<Uint8Array>): Iterable<Uint8Array> {
  yield first
  yield* others
}

function parsed<Result>(answer: string | null): Result {
  return (answer === null ? undefined : JSON.parse(answer)) as Result
}

export function checkSession({ clientId, requestId }: RaftSession): void {
  if (clientId.length < 1 || clientId.length > clientIdLengthMax)
    throw new ApiError('INVALID_REQUEST', `A clientId has 1 to ${clientIdLengthMax} characters.`)
  if (!Number.isSafeInteger(requestId) || requestId < 0)
    throw new ApiError('INVALID_REQUEST', `A requestId is a whole number from 0 on, not ${requestId}.`)
}
