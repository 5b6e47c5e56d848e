/** `millrace broker list`. */
import type { Command } from 'commander'
import { renderTable } from '../output.ts'
import type { Run } from '../program.ts'

export function registerBroker(program: Command, run: Run): void {
  const broker = program.command('broker').description('look at brokers')
  broker
    .command('list')
    .description('every registered broker and its state')
    .action(async (_options: unknown, command: Command) =>
      run(command, async context => {
        const admin = await context.admin()
        const { brokers } = await admin.describeCluster()
        const rows = brokers.map(b => ({ id: b.nodeId, url: b.url, rack: b.rack, epoch: b.epoch, state: b.state }))
        context.output.print(rows, () =>
          renderTable(
            ['ID', 'URL', 'RACK', 'EPOCH', 'STATE'],
            rows.map(b => [b.id, b.url, b.rack, b.epoch, b.state]),
          ),
        )
      }),
    )
}
