/** What must happen sometimes in simulated clusters: a batch of seeds in which one of these stays at zero has failed. */

export const clusterSometimesNames = [
  'leaderChanged',
  'brokerFenced',
  'brokerBack',
  'topicCreated',
  'topicDeleted',
  'topicCreatedAnew',
  'refusedAsExisting',
  'refusedAsUnknown',
  'answeredAfterRetries',
  'outcomeUnknown',
  'stoppedInOrder',
  'startGivenUp',
  'diskFailed',
  'wholeClusterRestarted',
  'healedWithoutSome',
  'sendAcknowledged',
  'sendUnknown',
  'produceRetried',
  'producedTwice',
  'readFailed',
  'logDiskFailed',
  'logDiskWasFull',
  'logTruncated',
  'isrShrank',
  'isrExpanded',
  'caughtUpFromFar',
  'partitionMoved',
  'electedFromElr',
  'leaderSuperseded',
  'leaderStruck',
  'followerStruck',
  'newcomerStruck',
  'heirStruck',
  'proposalStruck',
  'closedSegmentRotted',
  'activeSegmentRotted',
  'unsyncedRotted',
  'damageFound',
  'diskWiped',
  'moveBegun',
  'moveGivenUp',
  'moveDone',
  'brokerDrained',
  'preferredElected',
  'shortLivedAcknowledged',
  'shortLivedRead',
] as const
/** Only where unclean elections are allowed. */
export const uncleanSometimesNames = ['uncleanElected', 'committedLost', 'acknowledgedLost', 'truncationTold'] as const
export type ClusterSometimesName = (typeof clusterSometimesNames)[number] | (typeof uncleanSometimesNames)[number]
export type ClusterSometimesCounts = Record<ClusterSometimesName, number>

export function noClusterCounts(): ClusterSometimesCounts {
  const names = [...clusterSometimesNames, ...uncleanSometimesNames]
  return Object.fromEntries(names.map(name => [name, 0])) as ClusterSometimesCounts
}
