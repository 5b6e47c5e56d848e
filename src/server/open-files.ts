/**
 * What is promised of open files must be there. When connections take the last one, the log cannot open the next segment, and
 * a partition is lost to everybody because somebody had many connections.
 */
import type { Logger } from '../util/logger.ts'
import type { NodeConfig } from './config/index.ts'

/** For the runtime, the metadata, other nodes, directories being synced and files being replaced. */
const ownFilesMax = 64

/** The settings as far as `limit` (`null`: nobody knows) allows them. Files of the log come first, but get half at most. */
export function withinOpenFiles(config: NodeConfig, limit: number | null, logger: Logger): NodeConfig {
  if (limit === null || ownFilesMax + config.logOpenFilesMax + config.maxConnections <= limit) return config
  const left = limit - Math.min(ownFilesMax, Math.floor(limit / 2))
  const logOpenFilesMax = Math.min(config.logOpenFilesMax, Math.floor(left / 2))
  const maxConnections = Math.min(config.maxConnections, left - logOpenFilesMax)
  logger.warn(
    { limit, 'log.open.files.max': logOpenFilesMax, 'max.connections': maxConnections },
    'the process may open few files (ulimit -n): less is used than is set',
  )
  return { ...config, logOpenFilesMax, maxConnections }
}
