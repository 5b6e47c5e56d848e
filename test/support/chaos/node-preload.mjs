/**
 * Preloaded into a node's process, so that the production build can be put behind links and faults as it is.
 *
 * Connections to a port named in `CHAOS_ROUTES` (`port=instead,…`) are made to another one: what a routing table would do, so
 * that each pair of nodes has a link of its own although a node has one address. Messages of the parent with `environment` are
 * orders to the storage shim, which reads its own environment at every call.
 */
import { Socket } from 'node:net'

const pairs = (process.env.CHAOS_ROUTES ?? '').split(',').filter(route => route !== '')
const routes = new Map(pairs.map(route => route.split('=').map(Number)))
const connect = Socket.prototype.connect

Socket.prototype.connect = function redirected(...args) {
  // `net.connect` hands over its arguments as one list that begins with the options.
  const list = Array.isArray(args[0]) ? args[0] : args
  const instead = routes.get(Number(list[0]?.port))
  if (instead !== undefined) list[0] = { ...list[0], port: instead }
  return connect.apply(this, args)
}

process.on('message', message => {
  if (message?.environment === undefined) return
  Object.assign(process.env, message.environment)
  process.send({ kind: 'ordered' })
})
