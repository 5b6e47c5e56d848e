/** Every route of the REST interface. */
import type { RestSpec } from '../router.ts'
import { FetchRoute, type FetchRouteOptions } from './fetch-route.ts'
import { ProduceRoute } from './produce-route.ts'

const ofTopic = '/v1/topics/:topic/records'
const ofPartition = '/v1/topics/:topic/partitions/:partition/records'

export function restRoutes(options: FetchRouteOptions): readonly RestSpec[] {
  const produce = new ProduceRoute(options.records)
  const fetch = new FetchRoute(options)
  return [
    { name: 'produce', method: 'POST', path: ofTopic, handle: produce.handle },
    { name: 'produce', method: 'POST', path: ofPartition, handle: produce.handle },
    { name: 'fetch', method: 'GET', path: ofPartition, handle: fetch.handle },
  ]
}
