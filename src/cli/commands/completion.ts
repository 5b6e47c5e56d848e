/** `millrace completion bash|zsh|fish`: a script made from the very commands and options that are registered. */
import { Argument, type Command } from 'commander'

export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a completion script: source <(millrace completion bash)')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action((shell: 'bash' | 'zsh' | 'fish') => {
      process.stdout.write(shell === 'fish' ? fishScript(program) : bashScript(program, shell))
    })
}

interface Node {
  /** Words after `millrace`, joined by a space. */
  readonly path: string
  readonly words: readonly string[]
}

function nodesOf(command: Command, path: string, inherited: readonly string[]): Node[] {
  const options = [
    ...inherited,
    ...command.options.flatMap(option => [option.short, option.long]).filter(flag => flag !== undefined),
  ]
  const children = command.commands.map(child => child.name())
  const nested = command.commands.flatMap(child =>
    nodesOf(child, path === '' ? child.name() : `${path} ${child.name()}`, options),
  )
  return [{ path, words: [...children, ...options] }, ...nested]
}

function bashScript(program: Command, shell: 'bash' | 'zsh'): string {
  const cases = nodesOf(program, '', ['--help']).map(node => `    '${node.path}') words='${node.words.join(' ')}' ;;`)
  const preamble = shell === 'zsh' ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''
  return `${preamble}_millrace() {
  local path='' word words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in -*) continue ;; esac
    case "\${path:+$path }$word" in
${nodesOf(program, '', [])
  .filter(node => node.path !== '')
  .map(node => `      '${node.path}') path='${node.path}' ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _millrace millrace
`
}

function fishScript(program: Command): string {
  const lines = program.commands.flatMap(command => [
    `complete -c millrace -n __fish_use_subcommand -f -a ${command.name()} -d '${escapeQuote(command.description())}'`,
    ...command.commands.map(
      child =>
        `complete -c millrace -n '__fish_seen_subcommand_from ${command.name()}' -f -a ${child.name()} -d '${escapeQuote(child.description())}'`,
    ),
    ...[command, ...command.commands].flatMap(owner =>
      owner.options.map(option => {
        const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`
        const long = option.long === undefined ? '' : ` -l ${option.long.slice(2)}`
        return `complete -c millrace -n '__fish_seen_subcommand_from ${owner.name()}'${short}${long} -d '${escapeQuote(option.description)}'`
      }),
    ),
  ])
  return `${lines.join('\n')}\n`
}

function escapeQuote(text: string): string {
  return text.replaceAll("'", "\\'")
}
