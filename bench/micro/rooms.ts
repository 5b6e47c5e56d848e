/** What there is to measure; a room that is not here is not measured. */
import { room as batch } from './batch.bench.ts'
import type { Case, Room } from './case.ts'
import { room as client } from './client.bench.ts'
import { room as crc } from './crc.bench.ts'
import { room as frame } from './frame.bench.ts'
import { room as log } from './log.bench.ts'
import { room as lookup } from './log-lookup.bench.ts'
import { room as metadata } from './metadata.bench.ts'
import { room as raft } from './raft.bench.ts'
import { room as raftStorage } from './raft-storage.bench.ts'
import { room as transport } from './transport.bench.ts'

export const rooms: readonly Room[] = [crc, batch, frame, log, lookup, raft, raftStorage, metadata, transport, client]

/** Cases whose name, or whose room's, holds one of `only`; all without it. */
export function casesOf(room: Room, only: readonly string[]): readonly Case[] {
  return room.cases.filter(({ name }) => only.length === 0 || only.some(part => `${room.name}: ${name}`.includes(part)))
}
