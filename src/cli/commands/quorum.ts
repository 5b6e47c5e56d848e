/** `millrace quorum describe`: the controller quorum, in the words of Kafka's metadata-quorum tool. */
import type { Command } from 'commander'
import { renderTable } from '../output.ts'
import type { Run } from '../program.ts'

export function registerQuorum(program: Command, run: Run): void {
  const quorum = program.command('quorum').description('look at the controller quorum')
  quorum
    .command('describe')
    .description('leader, epoch, high watermark, and how far each voter and observer is')
    .action(async (_options: unknown, command: Command) =>
      run(command, async context => {
        const admin = await context.admin()
        const described = await admin.describeQuorum()
        const replicas = [
          ...described.voters.map(v => [
            v.id,
            v.id === described.leaderId ? 'Leader' : 'Follower',
            v.logEndOffset,
            v.lag,
            isoTime(v.lastCaughtUpMs),
          ]),
          ...described.observers.map(o => [o.id, 'Observer', o.logEndOffset, o.lag, isoTime(o.lastCaughtUpMs)]),
        ]
        context.output.print(described, () =>
          [
            `ClusterId:      ${described.clusterId}`,
            `LeaderId:       ${described.leaderId}`,
            `LeaderEpoch:    ${described.leaderEpoch}`,
            `HighWatermark:  ${described.highWatermark}`,
            '',
            renderTable(['NODE', 'STATUS', 'LOG-END-OFFSET', 'LAG', 'LAST-CAUGHT-UP'], replicas),
          ].join('\n'),
        )
      }),
    )
}

function isoTime(timestampMs: number | null): string | null {
  return timestampMs === null ? null : new Date(timestampMs).toISOString()
}
