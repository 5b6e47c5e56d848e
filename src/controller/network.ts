/** How the controllers of several nodes reach each other, as a port: `quorum/network/`, or a simulated one. */
import type { Api } from '../protocol/api.ts'
import type { RequestOptions } from '../transport/connection.ts'
import type { NodeId } from '../util/numbers.ts'

export interface ControllerNetwork {
  /** Rejects with `NETWORK_EXCEPTION` when the node is not reached, or no longer; else like `Connection.request`. */
  request<Request, Response>(
    to: NodeId,
    api: Api<Request, Response>,
    body: Request,
    options?: RequestOptions,
  ): Promise<Response>
  /** Calls `listener` whenever a node can be asked, for the first time or again. Returns the way to stop. */
  onReached(listener: (nodeId: NodeId) => void): () => void
  /** Calls `listener` whenever the last connection with a node is gone. Returns the way to stop. */
  onGone(listener: (nodeId: NodeId) => void): () => void
}
