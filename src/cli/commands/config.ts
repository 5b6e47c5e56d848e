/** `millrace config list`: every setting of a node as it would start here, or of a running broker or a topic as they are. */
import { type Command, Option } from 'commander'
import type { CommandContext } from '../context.ts'
import { renderTable } from '../output.ts'
import { collectPairs, parseInteger } from '../parse.ts'
import type { Run } from '../program.ts'

interface ListOptions {
  readonly config?: string
  readonly set?: Record<string, string>
  readonly broker?: number
  readonly topic?: string
}

interface ListedConfig {
  readonly key: string
  readonly value: string | null
  /** Where the value is from. */
  readonly source: string
  readonly doc: string
}

export function registerConfig(program: Command, run: Run): void {
  const config = program.command('config').description('look at settings')
  config
    .command('list')
    .description('every setting with its value, where that is from, and what it does')
    .option('--config <file>', 'as `millrace server` would read it')
    .option('--set <key=value>', 'as `millrace server` would take it (repeatable)', collectPairs)
    .addOption(
      new Option('--broker <id>', 'ask a running broker').argParser(parseInteger(0)).conflicts(['config', 'set']),
    )
    .addOption(new Option('--topic <name>', 'ask about a topic').conflicts(['config', 'set', 'broker']))
    .action(async (options: ListOptions, command: Command) => run(command, context => list(context, options)))
}

async function list(context: CommandContext, options: ListOptions): Promise<void> {
  const isRemote = options.broker !== undefined || options.topic !== undefined
  const configs = isRemote ? await ask(context, options) : await local(options)
  context.output.print(configs, () => {
    const docs = context.isVerbose ? ['DESCRIPTION'] : []
    return renderTable(
      ['KEY', 'VALUE', 'SOURCE', ...docs],
      configs.map(c => [c.key, c.value, c.source, ...(context.isVerbose ? [c.doc] : [])]),
    )
  })
  if (!context.isVerbose && context.output.format === 'table') context.output.note('% -v adds what each setting does')
}

async function local(options: ListOptions): Promise<ListedConfig[]> {
  const { loadConfig } = await import('../../server/config/index.ts')
  const { entries } = loadConfig({
    ...(options.config === undefined ? {} : { file: options.config }),
    env: process.env,
    overrides: options.set ?? {},
  })
  return entries.map(({ key, value, origin, where, doc }) => ({ key, value, source: where ?? origin, doc }))
}

async function ask(context: CommandContext, options: ListOptions): Promise<ListedConfig[]> {
  const admin = await context.admin()
  const resource =
    options.topic === undefined
      ? { type: 'broker' as const, name: String(options.broker) }
      : { type: 'topic' as const, name: options.topic }
  const [described] = await admin.describeConfigs({ resources: [resource] })
  return described!.configs.map(({ key, value, source, doc }) => ({ key, value, source, doc }))
}
