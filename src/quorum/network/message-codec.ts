/**
 * Raft's messages as bytes: `[kind, fields]`, a positional array like every struct of the protocol. Everything is checked
 * on the way in (types, ranges, lengths, that entries are dense and follow `prevIndex`), so that the core is handed nothing
 * that the types do not say. An entry's data is a view of the bytes it came in.
 */
import { limits } from '../../protocol/common.ts'
import { pack, unpack } from '../../protocol/msgpack.ts'
import { responseFrameLimits } from '../../protocol/prescan.ts'
import { described, ProtocolError } from '../../protocol/protocol-error.ts'
import {
  boolean,
  bytes,
  type Field,
  field,
  nullable,
  type StructType,
  struct,
  uint31,
  uint53,
} from '../../protocol/schema.ts'
import type { Message } from '../../raft/messages.ts'
import type { Entry } from '../../raft/types.ts'
import type { LogIndex } from '../../util/numbers.ts'
import { entriesType } from './entries-codec.ts'
import { snapshotMeta } from './snapshot-codec.ts'

/** Largest encoded message: with its envelope it fits a frame. */
export const messageBytesMax = limits.recordsBytes

/** The bytes are the caller's. Throws `ProtocolError` for values that have no place on the wire. */
export function encodeMessage(message: Message): Uint8Array {
  const { code, fields } = schemas[message.kind]
  return pack([code, fields.encode(message, 0, message.kind)])
}

/** Throws `ProtocolError` for anything but what `encodeMessage` makes. */
export function decodeMessage(encoded: Uint8Array): Message {
  const wire = unpack(encoded, responseFrameLimits)
  if (!Array.isArray(wire) || wire.length !== 2) throw new ProtocolError('message', 'an array [kind, fields]', wire)
  const kind = kindsByCode.get(wire[0])
  if (kind === undefined) throw new ProtocolError('message.kind', 'the number of a kind of message', wire[0])
  const message = { kind, ...(schemas[kind].fields.decode(wire[1], 0, kind) as object) } as Message
  if (message.kind === 'appendEntries') checkPlace(message.prevIndex, message.entries)
  return message
}

const stateData = bytes({ lengthMax: limits.recordsBytes })

function checkPlace(prevIndex: LogIndex, entries: readonly Entry[]): void {
  const [first] = entries
  if (first !== undefined && first.index !== prevIndex + 1)
    throw new ProtocolError('appendEntries.entries', 'entries that follow prevIndex', described('a gap'))
}

/** Each field of the message and no other: a new field does not compile before it is here. */
type FieldsOf<Kind extends Message['kind']> = {
  [Name in Exclude<keyof Extract<Message, { kind: Kind }>, 'kind'>]: Field<
    Unbranded<Extract<Message, { kind: Kind }>[Name]>
  >
}
type Unbranded<T> = T extends number ? number : T
interface Schema {
  readonly code: number
  readonly fields: StructType<unknown>
}

const from = field(uint31, 'Who says it.')
const term = field(uint53, 'Its term.')
const index = field(uint53, 'An index, inclusive.')
const round = field(uint53, 'Of the leader’s heartbeats.')
const flag = field(boolean, 'Yes or no.')
const campaign = field(uint53, 'Which of the sender’s campaigns.')

const schemas: Readonly<Record<Message['kind'], Schema>> = {
  preVote: schema<'preVote'>(1, { from, term, lastIndex: index, lastTerm: term, campaign }),
  preVoteReply: schema<'preVoteReply'>(2, { from, term, isGranted: flag, campaign }),
  requestVote: schema<'requestVote'>(3, { from, term, lastIndex: index, lastTerm: term, isTransfer: flag }),
  requestVoteReply: schema<'requestVoteReply'>(4, { from, term, isGranted: flag }),
  appendEntries: schema<'appendEntries'>(5, {
    from,
    term,
    prevIndex: index,
    prevTerm: term,
    entries: field(entriesType, 'Dense, from prevIndex + 1.'),
    commitIndex: index,
    round,
  }),
  appendEntriesReply: schema<'appendEntriesReply'>(6, { from, term, matchIndex: index, round }),
  appendEntriesRefused: schema<'appendEntriesRefused'>(7, {
    from,
    term,
    prevIndex: index,
    conflictTerm: field(nullable(uint53), 'nil when the log ends before.'),
    conflictIndex: index,
    round,
  }),
  heartbeat: schema<'heartbeat'>(8, { from, term, commitIndex: index, commitTerm: term, round }),
  heartbeatReply: schema<'heartbeatReply'>(9, { from, term, round }),
  installSnapshot: schema<'installSnapshot'>(10, {
    from,
    term,
    snapshot: field(
      struct({ meta: field(snapshotMeta, 'What it is of.'), data: field(stateData, 'The state.') }),
      'Whole.',
    ),
    round,
  }),
  timeoutNow: schema<'timeoutNow'>(11, { from, term }),
  staleTerm: schema<'staleTerm'>(12, { from, term }),
}

const kindsByCode = new Map<unknown, Message['kind']>(
  Object.entries(schemas).map(([kind, { code }]) => [code, kind as Message['kind']]),
)

function schema<Kind extends Message['kind']>(code: number, fields: FieldsOf<Kind>): Schema {
  return { code, fields: struct(fields) }
}
