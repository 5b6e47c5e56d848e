/**
 * Numbers that must not be mixed have types of their own. They are plain numbers at run time; `as` happens only at the
 * gateways (decoding, opening files), where the value has been checked to be a safe integer.
 *
 * `…End…`, `highWatermark` and `next…` are exclusive; `last…`, `commitIndex` and `…Max` are inclusive; ranges are [from, to).
 */
declare const brand: unique symbol
type Branded<Name extends string> = number & { readonly [brand]: Name }

/**
 * Position of a record in a partition, or of a record in the metadata log. Not branded: offsets are what arithmetic is
 * done on, and since every epoch is branded, the two can only be mixed by naming the wrong variable.
 */
export type Offset = number
/** Counts the leaders of a partition. */
export type LeaderEpoch = Branded<'LeaderEpoch'>
/** In place of a leader epoch, in memory and on the wire: there is none, or it is not known. */
export const noEpoch = -1
/** Raft's logical time. Only inside `raft/`, `raft-storage/` and `quorum/`; outside it is an epoch. */
export type Term = Branded<'Term'>
/** Position in a Raft log, from 1; 0 is before the first entry. */
export type LogIndex = Branded<'LogIndex'>
/** A node's `node.id`. */
export type NodeId = Branded<'NodeId'>
/** Given by the controller at each registration of a broker: the offset of its registration record. */
export type BrokerEpoch = Branded<'BrokerEpoch'>

export const toLeaderEpoch = (value: number): LeaderEpoch => value as LeaderEpoch
export const toTerm = (value: number): Term => value as Term
export const toLogIndex = (value: number): LogIndex => value as LogIndex
export const toNodeId = (value: number): NodeId => value as NodeId
export const toBrokerEpoch = (value: number): BrokerEpoch => value as BrokerEpoch
