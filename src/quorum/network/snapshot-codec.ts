/** What travels with a snapshot, between the shape it has on the wire and the one it has in Raft. */
import type { RequestOf } from '../../protocol/api.ts'
import { snapshotMeta as metaOnWire, type snapshotChunk } from '../../protocol/apis/snapshot-chunk.ts'
import type { Infer, Type } from '../../protocol/schema.ts'
import type { Configuration, Member, SnapshotMeta } from '../../raft/types.ts'
import { type NodeId, type Term, toLogIndex, toTerm } from '../../util/numbers.ts'
import type { SnapshotChunk } from '../peer-port.ts'

type WireMeta = Infer<typeof metaOnWire>
type WireConfiguration = WireMeta['configuration']
type WireChunk = RequestOf<typeof snapshotChunk>

export const snapshotMeta: Type<SnapshotMeta> = {
  name: metaOnWire.name,
  shape: metaOnWire.shape,
  encode: (meta, version, path) => metaOnWire.encode(toWireMeta(meta), version, path),
  decode: (wire, version, path) => fromWireMeta(metaOnWire.decode(wire, version, path)),
}

/** The body of a `SnapshotChunk` request. */
export function chunkBody(chunk: SnapshotChunk): WireChunk {
  return { ...chunk, meta: toWireMeta(chunk.meta) }
}

/** `data` is a view of the frame. */
export function chunkOf(body: WireChunk): SnapshotChunk {
  return { ...body, from: body.from as NodeId, term: body.term as Term, meta: fromWireMeta(body.meta) }
}

function toWireMeta({ index, term, configuration }: SnapshotMeta): WireMeta {
  return { index, term, configuration: toWireConfiguration(configuration) }
}

function fromWireMeta({ index, term, configuration }: WireMeta): SnapshotMeta {
  return { index: toLogIndex(index), term: toTerm(term), configuration: fromWireConfiguration(configuration) }
}

function toWireConfiguration(configuration: Configuration): WireConfiguration {
  const { voters, oldVoters, learners, clusterId, members } = configuration
  return {
    voters: [...voters],
    oldVoters: [...oldVoters],
    learners: [...learners],
    clusterId: clusterId ?? null,
    members: members === undefined ? null : [...members],
  }
}

function fromWireConfiguration({ clusterId, members, ...ids }: WireConfiguration): Configuration {
  return {
    voters: ids.voters as NodeId[],
    oldVoters: ids.oldVoters as NodeId[],
    learners: ids.learners as NodeId[],
    ...(clusterId === null ? {} : { clusterId }),
    ...(members === null ? {} : { members: members as Member[] }),
  }
}
