import type { MetadataImage } from '../metadata/image.ts'
import type { Api } from '../protocol/api.ts'

/**
 * The way from a broker to the active controller: inside a combined node a call, across nodes a connection that follows
 * the leader. Same contract as `Controller.request`.
 */
export interface ControllerChannel {
  request<Request, Response>(api: Api<Request, Response>, body: Request): Promise<Response>
  /** This node's metadata once they have everything that was committed anywhere before the call. */
  currentImage(timeoutMs: number): Promise<MetadataImage>
}
