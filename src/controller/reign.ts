/** What a leader knows that a follower does not: one object for each time this node leads. */
import type { ClusterImage } from '../metadata/cluster-image.ts'
import type { Term } from '../util/numbers.ts'

export class Reign {
  readonly term: Term
  /** The committed image with everything proposed in this reign, in order: what the next decision must see. */
  appended: ClusterImage
  /** Proposals without an outcome. */
  inFlight = 0
  /** Bytes of their entries. */
  inFlightBytes = 0
  /** Settles with the last proposal: who decided on `appended` without changing it may answer after that. */
  tail: Promise<unknown> = Promise.resolve()
  /** `appended` is not what the log will be: decide nothing more; a new reign begins when `inFlight` is 0. */
  isStale = false

  constructor(term: Term, committed: ClusterImage) {
    this.term = term
    this.appended = committed
  }
}
