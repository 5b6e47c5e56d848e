/** Entry of the `millrace` bin: signals, exit codes, and nothing else. */
import { CommanderError } from 'commander'
import { exitCode, verdictOf } from './failure.ts'
import { createProgram } from './program.ts'

const interruption = new AbortController()
let wasInterrupted = false

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // The second one means now.
    if (wasInterrupted) process.exit(exitCode.interrupted)
    wasInterrupted = true
    interruption.abort()
  })
}

// A reader that closes the pipe (`millrace consume … | head`) has what it wanted.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(exitCode.done)
  throw error
})

const program = createProgram(interruption.signal)
program.exitOverride()
for (const command of program.commands) overrideExit(command)

try {
  await program.parseAsync()
  // A command that stopped early because it was told to has not done what it was asked for.
  if (wasInterrupted) process.exitCode = exitCode.interrupted
} catch (error) {
  if (error instanceof CommanderError) {
    // commander has printed already; help and version are no failures.
    process.exitCode = error.exitCode === 0 ? exitCode.done : exitCode.usage
  } else {
    const verdict = verdictOf(error, wasInterrupted)
    if (verdict.message !== null) process.stderr.write(`${verdict.message}\n`)
    process.exitCode = verdict.code
  }
}

function overrideExit(command: typeof program): void {
  command.exitOverride()
  for (const child of command.commands) overrideExit(child)
}
