/** A node's settings: `loadConfig`, the table they come from, and their addresses. */
export { isLoopbackHost, isWildcard, type Listener, listenerUrl, type Voter } from './addresses.ts'
export { type ConfigEntry, type ConfigSources, loadConfig, type NodeConfig } from './load.ts'
export { peerListenerOf, peerUrlOf, voterUrlsOf } from './peers.ts'
export { configSpecs } from './schema.ts'
export { environmentName, type Origin } from './sources.ts'
export type { ConfigSpec, Section } from './spec.ts'
