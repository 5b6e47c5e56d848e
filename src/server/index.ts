/** `millrace/server`: nodes inside this process, for the command line and for anyone's program or test. */
export type { ServerOptions } from './server-options.ts'
export { type Cluster, type ClusterOptions, startCluster } from './start-cluster.ts'
export { type Server, startServer } from './start-server.ts'
