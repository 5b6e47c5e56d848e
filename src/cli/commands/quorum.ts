/** `millrace quorum …`: the controller quorum, in the words of Kafka's metadata-quorum tool. */
import { type Command, Option } from 'commander'
import type { CommandContext } from '../context.ts'
import { renderTable } from '../output.ts'
import { parseDurationMs, parseInteger } from '../parse.ts'
import type { Run } from '../program.ts'

interface TimeoutOption {
  readonly timeout: number
}

const nodeIdMax = 2 ** 31 - 1
const parseNodeId = parseInteger(0, nodeIdMax)

export function registerQuorum(program: Command, run: Run): void {
  const quorum = program
    .command('quorum')
    .description('show the controller quorum, change its voters, move its leadership')
  quorum
    .command('describe')
    .description('show who leads, who votes, who only follows, and how far each is')
    .action(async (_options: unknown, command: Command) => run(command, describe))
  withTimeout(
    quorum
      .command('add-voter')
      .description('make a running node a voter; it counts once it has the whole metadata log')
      .argument('<id>', 'its node.id', parseNodeId)
      .argument(
        '[url]',
        'its peer.listener as others reach it (ws://host:9293); may be left out for a node that `quorum describe` shows',
      ),
    '60s',
  ).action(async (id: number, url: string | undefined, options: TimeoutOption, command: Command) =>
    run(command, context => addVoter(context, id, url ?? null, options.timeout)),
  )
  withTimeout(
    quorum
      .command('remove-voter')
      .description('make a voter an observer, or forget one that is gone; the leader hands over')
      .argument('<id>', 'its node.id', parseNodeId),
    '30s',
  ).action(async (id: number, options: TimeoutOption, command: Command) =>
    run(command, context => removeVoter(context, id, options.timeout)),
  )
  withTimeout(
    quorum
      .command('transfer')
      .description('make another voter the leader, for example before maintenance')
      .argument('[id]', 'its node.id; without it, the voter that is furthest in the log', parseNodeId),
    '30s',
  ).action(async (id: number | undefined, options: TimeoutOption, command: Command) =>
    run(command, context => transfer(context, id, options.timeout)),
  )
}

function withTimeout(command: Command, byDefault: string): Command {
  return command.addOption(
    new Option('--timeout <duration>', 'how long to wait until it is done, such as 90s or 5m')
      .argParser(parseDurationMs)
      .default(parseDurationMs(byDefault), byDefault),
  )
}

async function describe(context: CommandContext): Promise<void> {
  const admin = await context.admin()
  const described = await admin.describeQuorum()
  const { voters, observers, leaderId } = described
  const row = (replica: (typeof voters)[number], status: string) => {
    const { id, diskId, url, logEndOffset, lag, lastCaughtUpMs } = replica
    return [id, diskId, known(logEndOffset), known(lag), isoTime(lastCaughtUpMs), status, url]
  }
  const rows = [
    ...voters.map(voter => row(voter, voter.id === leaderId ? 'Leader' : 'Follower')),
    ...observers.map(observer => row(observer, 'Observer')),
  ]
  const lags = voters.map(({ lag }) => lag)
  context.output.print(described, () =>
    [
      `ClusterId:       ${described.clusterId}`,
      `LeaderId:        ${leaderId}`,
      `LeaderEpoch:     ${described.leaderEpoch}`,
      `HighWatermark:   ${described.highWatermark}`,
      `MaxFollowerLag:  ${lags.includes(-1) ? 'unknown' : Math.max(0, ...lags)}`,
      '',
      renderTable(['NODE', 'DISK', 'LOG-END-OFFSET', 'LAG', 'LAST-CAUGHT-UP', 'STATUS', 'URL'], rows),
    ].join('\n'),
  )
}

async function addVoter(context: CommandContext, id: number, url: string | null, timeoutMs: number): Promise<void> {
  const admin = await context.admin()
  await admin.addVoter({ id, url, timeoutMs })
  context.output.print({ id, isVoter: true }, () => `node ${id} is a voter`)
}

async function removeVoter(context: CommandContext, id: number, timeoutMs: number): Promise<void> {
  const admin = await context.admin()
  await admin.removeVoter({ id, timeoutMs })
  context.output.print({ id, isVoter: false }, () => `node ${id} is no longer a voter`)
}

async function transfer(context: CommandContext, to: number | undefined, timeoutMs: number): Promise<void> {
  const admin = await context.admin()
  const answer = await admin.transferLeadership(to === undefined ? { timeoutMs } : { to, timeoutMs })
  context.output.print(answer, () => `node ${answer.leaderId} leads`)
}

/** -1 on the wire stands for unknown. */
function known(value: number): number | null {
  return value < 0 ? null : value
}

function isoTime(timestampMs: number | null): string | null {
  return timestampMs === null ? null : new Date(timestampMs).toISOString()
}
