/** What goes over the simulated wires: the bytes of the production codecs, and nothing that two nodes could share. */
import { snapshotChunk } from '../../protocol/apis/snapshot-chunk.ts'
import { pack, unpack } from '../../protocol/msgpack.ts'
import { responseFrameLimits } from '../../protocol/prescan.ts'
import { chunkBody, chunkOf } from '../../quorum/network/snapshot-codec.ts'
import type { SnapshotChunk } from '../../quorum/peer-port.ts'

const { request } = snapshotChunk

export function encodeChunk(chunk: SnapshotChunk): Uint8Array {
  return pack(request.encode(chunkBody(chunk), 0, 'chunk'))
}

export function decodeChunk(bytes: Uint8Array): SnapshotChunk {
  return chunkOf(request.decode(unpack(bytes, responseFrameLimits), 0, 'chunk'))
}
