/**
 * Preloaded into a node's process: connections to a port named in `CHAOS_ROUTES` (`port=instead,…`) are made to another one.
 * It does what a routing table would, so that each pair of nodes has a link of its own although a node has one address.
 */
import { Socket } from 'node:net'

const routes = new Map(process.env.CHAOS_ROUTES.split(',').map(route => route.split('=').map(Number)))
const connect = Socket.prototype.connect

Socket.prototype.connect = function redirected(...args) {
  // `net.connect` hands over its arguments as one list that begins with the options.
  const list = Array.isArray(args[0]) ? args[0] : args
  const instead = routes.get(Number(list[0]?.port))
  if (instead !== undefined) list[0] = { ...list[0], port: instead }
  return connect.apply(this, args)
}
