/** `millrace broker list` and `broker drain`. */
import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { renderTable } from '../output.ts'
import { parseInteger } from '../parse.ts'
import { pause } from '../pause.ts'
import type { Run } from '../program.ts'

interface DrainOptions {
  readonly cancel?: boolean
  readonly wait: boolean
}

const nodeIdMax = 2 ** 31 - 1
const lookIntervalMs = 500

export function registerBroker(program: Command, run: Run): void {
  const broker = program.command('broker').description('look at brokers, relieve them')
  broker
    .command('list')
    .description('every registered broker and its state')
    .action(async (_options: unknown, command: Command) => run(command, list))
  broker
    .command('drain')
    .description('relieve a broker of all it leads, and wait until it leads nothing; it goes on following')
    .argument('<id>', 'its node.id', parseInteger(0, nodeIdMax))
    .option('--cancel', 'let it lead again')
    .option('--no-wait', 'begin, and leave the rest to the cluster')
    .addHelpText(
      'after',
      `
A broker that is drained can be stopped without anybody noticing. It leads again after --cancel, or once it was started
anew; its preferred partitions come back by themselves, or with 'millrace partition elect --all'. Partitions whose other
replicas are not in sync stay until they are.

Examples:
  $ millrace broker drain 2
  $ millrace broker drain 2 --cancel`,
    )
    .action(async (id: number, options: DrainOptions, command: Command) =>
      run(command, context => drain(context, id, options)),
    )
}

async function list(context: CommandContext): Promise<void> {
  const admin = await context.admin()
  const { brokers } = await admin.describeCluster()
  const rows = brokers.map(b => ({ id: b.nodeId, url: b.url, rack: b.rack, epoch: b.epoch, state: b.state }))
  context.output.print(rows, () =>
    renderTable(
      ['ID', 'URL', 'RACK', 'EPOCH', 'STATE'],
      rows.map(b => [b.id, b.url, b.rack, b.epoch, b.state]),
    ),
  )
}

async function drain(context: CommandContext, id: number, options: DrainOptions): Promise<void> {
  const { output, signal } = context
  const admin = await context.admin()
  const isDraining = options.cancel !== true
  const answer = (leaderCount: number): void =>
    output.print({ id, isDraining, leaderCount }, () =>
      isDraining ? `broker ${id} is draining; it leads ${partitions(leaderCount)}` : `broker ${id} may lead again`,
    )
  for (;;) {
    const { leaderCount } = await admin.drainBroker({ nodeId: id, isDraining })
    if (!isDraining || !options.wait || leaderCount === 0) return answer(leaderCount)
    output.progress(`broker ${id} still leads ${partitions(leaderCount)}: nobody else in sync is there for them`)
    await pause(lookIntervalMs, signal)
    if (signal.aborted) {
      return output.note(`Broker ${id} goes on draining: 'millrace broker drain ${id} --cancel' takes that back.`)
    }
  }
}

function partitions(count: number): string {
  return count === 1 ? '1 partition' : `${count === 0 ? 'no' : count} partitions`
}
