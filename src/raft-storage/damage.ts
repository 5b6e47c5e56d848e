/**
 * What a node does whose quorum data are damaged, or gone: it stays out. It refuses to open, so that it neither votes on
 * a vote it may have forgotten nor leads with a hole in its log. Nothing is repaired from what is left: which entries the
 * node acknowledged is exactly what cannot be known any more. The other voters have the data, and the way back is
 * theirs to give: under the disk's new id the node is a new member, fed from the beginning.
 */
import { CorruptionError } from '../util/errors.ts'

export const wayBack =
  'The node stays out of the quorum with it: remove it from the voters (quorum remove-voter), move the directory ' +
  'away, start the node empty, and add it again (quorum add-voter). An only voter needs a copy of the directory'

/** `what` is found to be so at `where`. */
export function damaged(where: string, what: string, cause?: unknown): CorruptionError {
  return new CorruptionError(where, `${what}. ${wayBack}`, { cause })
}
