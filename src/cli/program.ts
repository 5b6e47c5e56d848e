/** The whole command line as data for commander: what is not registered here does not exist. */
import { Command, Option } from 'commander'
import { version } from '../util/version.ts'
import { clientSettingsHelp } from './client-settings.ts'
import { registerBench } from './commands/bench.ts'
import { registerBroker } from './commands/broker.ts'
import { registerCluster } from './commands/cluster.ts'
import { registerCompletion } from './commands/completion.ts'
import { registerConfig } from './commands/config.ts'
import { registerConsume } from './commands/consume.ts'
import { registerDev } from './commands/dev.ts'
import { registerLog } from './commands/log.ts'
import { registerPartition } from './commands/partition.ts'
import { registerProduce } from './commands/produce.ts'
import { registerQuorum } from './commands/quorum.ts'
import { registerServer } from './commands/server.ts'
import { registerTopic } from './commands/topic.ts'
import { type CommandContext, createContext, type GlobalOptions } from './context.ts'
import { collectPairs } from './parse.ts'

/** Runs `body` with a context made from the global options, and closes what it opened whatever happens. */
export type Run = (command: Command, body: (context: CommandContext) => Promise<void>) => Promise<void>

export const defaultBootstrap = 'ws://127.0.0.1:9292'

export function createProgram(signal: AbortSignal): Command {
  const program = new Command('millrace')
    .description('A replicated commit log: produce and consume records, administer topics, run brokers.')
    .version(version, '--version')
    .addOption(
      new Option('-b, --bootstrap <urls>', 'brokers to begin with, comma separated')
        .env('MILLRACE_BOOTSTRAP')
        .default(defaultBootstrap),
    )
    .addOption(new Option('--format <format>', 'how to print').choices(['table', 'json']).default('table'))
    .option('-X <key=value>', 'client setting, see below (repeatable)', collectPairs)
    .option('-v, --verbose', 'say more on stderr')
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .addHelpText(
      'after',
      `
Client settings for -X:
${clientSettingsHelp()}

Exit codes: 0 done, 1 refused or failed, 2 usage, 3 unreachable or timed out, 130 interrupted.

Examples:
  $ millrace server                                   one node on 127.0.0.1:9292, data in ./data
  $ millrace topic create orders -p 4
  $ echo 'k1:hello' | millrace produce orders -K :
  $ millrace consume orders -o start -e -f '%p %o %k %s\\n'`,
    )

  const run: Run = async (command, body) => {
    const context = createContext(command.optsWithGlobals() as GlobalOptions, signal)
    try {
      await body(context)
    } finally {
      context.output.endProgress()
      await context.cleanups.dispose()
    }
  }
  registerServer(program, signal)
  registerDev(program)
  registerTopic(program, run)
  registerProduce(program, run)
  registerConsume(program, run)
  registerPartition(program, run)
  registerBroker(program, run)
  registerCluster(program, run)
  registerQuorum(program, run)
  registerConfig(program, run)
  registerLog(program, run)
  registerBench(program, run)
  registerCompletion(program)
  return program
}
