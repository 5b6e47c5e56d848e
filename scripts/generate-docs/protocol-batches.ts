/** The chapter of docs/PROTOCOL.md on record batches and plain records. */

import {
  attribute,
  batchHeaderBytes,
  batchMagic,
  compressionCodes,
  crcRangeStart,
  position,
} from '../../src/protocol/batch/header.ts'
import { limits } from '../../src/protocol/common.ts'

/** What stands at each position of the header; one entry for each, which the compiler checks. */
const headerFields: Record<keyof typeof position, readonly [type: string, meaning: string]> = {
  baseOffset: ['int64', 'Offset of the first record. A producer writes 0; the leader patches it.'],
  batchLength: ['int32', 'Bytes that follow this field.'],
  leaderEpoch: ['int32', 'A producer writes -1; the leader patches it.'],
  magic: ['int8', `The format's version: ${batchMagic}.`],
  crc: ['uint32', `CRC-32C (Castagnoli) of everything from byte ${crcRangeStart} on.`],
  attributes: ['int16', 'Bits, see below.'],
  lastOffsetDelta: [
    'int32',
    'Offset of the last record less the base offset. From a producer: the number of records less one.',
  ],
  baseTimestamp: ['int64', 'What the timestamp deltas of the records are added to: the timestamp of the first record.'],
  maxTimestamp: ['int64', 'The largest timestamp of the records.'],
  producerId: ['int64', '-1 for none.'],
  producerEpoch: ['int16', '-1 for none.'],
  baseSequence: ['int32', '-1 for none.'],
  recordCount: ['int32', 'Number of records; at least 1 from a producer.'],
}

export function renderBatchFormat(): string {
  const rows = Object.entries(headerFields)
    .map(([name, [type, meaning]]) => ({ at: position[name as keyof typeof position], name, type, meaning }))
    .sort((a, b) => a.at - b.at)
    .map(({ at, name, type, meaning }) => `| ${at} | \`${name}\` | ${type} | ${meaning} |`)
  const codecs = Object.entries(compressionCodes).map(([name, code]) => `${code} ${name}`)
  return `## Record batches

Records travel and are stored in Kafka's record batch format v2; all fixed-width numbers are big endian. A batch is a header of
${batchHeaderBytes} bytes and its records:

| Byte | Field | Type | Meaning |
|---|---|---|---|
${rows.join('\n')}
| ${batchHeaderBytes} | records | | One after the other, or compressed as a whole. |

Attributes: bits 0 to 2 the codec (${codecs.join(', ')}); ${hex(attribute.logAppendTime)} every record's timestamp is \`maxTimestamp\`, set by the broker
(\`message.timestamp.type=LogAppendTime\`); ${hex(attribute.transactional)} transactional; ${hex(attribute.control)} control, not for readers; ${hex(attribute.deleteHorizon)} \`baseTimestamp\` is the
delete horizon of a compacted batch. A producer sets the codec only. Compressed data is a gzip stream, snappy in Kafka's (xerial's) framing,
an LZ4 frame, or a zstd frame.

A record, where *varint* is a zigzag-encoded int32 and *varlong* a zigzag-encoded int64, both in base 128, lowest group first:

    length: varint (of what follows)   attributes: int8 (0)   timestampDelta: varlong   offsetDelta: varint
    keyLength: varint (-1: nil)   key   valueLength: varint (-1: nil, a tombstone)   value
    headerCount: varint   then for each header:   nameLength: varint   name (UTF-8)   valueLength: varint (-1: nil)   value

A Produce request carries exactly one batch per partition. The broker refuses it whole when it is larger than \`max.message.bytes\`
(MESSAGE_TOO_LARGE); when length or CRC are wrong (CORRUPT_MESSAGE); when the format is not ${batchMagic} (UNSUPPORTED_FOR_MESSAGE_FORMAT); when the codec
is not defined (UNSUPPORTED_COMPRESSION_TYPE); when timestamps are out of range or \`maxTimestamp\` is not the largest (INVALID_TIMESTAMP); and when
counts, lengths, offset deltas (0, 1, 2, …), attributes or header names are not as described (INVALID_RECORD). The records of a compressed batch are
not looked into. Timestamps are milliseconds since 1970 and safe integers; -1 stands for none.

A Fetch answer in the format \`batches\` holds whole batches, back to back. The first may begin before the offset that was asked for, and
offsets may have gaps: a reader leaves out what it did not ask for, and batches with the control bit, and goes on behind
\`baseOffset + lastOffsetDelta\` of the last batch.

## Plain records

A client with only a MessagePack library sends an array of \`[key, value, headers, timestamp]\` in place of the batch, at most ${limits.plainRecords.toLocaleString('en-US')}
of them, and asks Fetch for the format \`records\`, which answers with arrays of \`[offset, timestamp, key, value, headers]\`, from the offset asked for on.
Keys, values and the values of headers are bin, str (stored as its UTF-8) or nil, and come back as bin or nil; headers are pairs \`[name, value]\`;
a timestamp of nil is the broker's time. The broker packs and unpacks; batches are faster for both sides.`
}

function hex(bit: number): string {
  return `\`0x${bit.toString(16).padStart(2, '0')}\``
}
