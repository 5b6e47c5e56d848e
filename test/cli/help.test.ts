/** Help of every command, and completion scripts that their shells accept and that complete. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { Command } from 'commander'
import { createProgram } from '../../src/cli/program.ts'
import { version } from '../../src/util/version.ts'
import { runCli } from './support.ts'

function commandsOf(command: Command, words: string[]): { words: string[]; command: Command }[] {
  return [{ words, command }, ...command.commands.flatMap(child => commandsOf(child, [...words, child.name()]))]
}

const all = commandsOf(createProgram(new AbortController().signal), [])

test('every command, argument and option says what it is for', () => {
  assert.ok(all.length > 20)
  for (const { words, command } of all) {
    assert.ok(command.description().length > 3, `millrace ${words.join(' ')}`)
    for (const option of command.options) assert.ok(option.description.length > 3, `${words.join(' ')} ${option.flags}`)
  }
})

test('--help prints to stdout and ends with 0, for commands and groups of them', async () => {
  const some = all.filter(({ words }) => words.length < 2 || words[0] === 'topic')
  for (const { words, command } of some) {
    const { code, stdout, stderr } = await runCli([...words, '--help'])
    assert.deepEqual([code, stderr], [0, ''], words.join(' '))
    assert.match(stdout, new RegExp(`^Usage: ${['millrace', ...words].join(' ')} `))
    assert.ok(stdout.replace(/\s+/g, ' ').includes(command.description()))
  }
})

test('--version', async () => {
  assert.deepEqual(await runCli(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
})

const shells = { bash: 'bash', zsh: 'zsh', fish: 'fish' } as const

for (const [shell, program] of Object.entries(shells)) {
  const isHere = spawnSync(program, ['-c', 'true']).status === 0
  test(`completion ${shell} is a script ${shell} accepts`, { skip: isHere ? false : `no ${shell} here` }, async t => {
    const { code, stdout } = await runCli(['completion', shell])
    assert.equal(code, 0)
    const directory = mkdtempSync(path.join(tmpdir(), 'millrace-completion-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const file = path.join(directory, 'script')
    writeFileSync(file, stdout)
    execFileSync(program, ['-n', file])
  })
}

test('completion bash completes commands, subcommands and options', async () => {
  const { stdout: script } = await runCli(['completion', 'bash'])
  const complete = (...words: string[]): string[] => {
    const list = words.map(word => `'${word}'`).join(' ')
    const ask = `${script}\nCOMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _millrace; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', ask], { encoding: 'utf8' }).trim().split('\n')
  }
  assert.deepEqual(complete('millrace', 'con'), ['consume', 'config'])
  assert.deepEqual(complete('millrace', 'topic', 'de'), ['describe', 'delete'])
  assert.deepEqual(complete('millrace', 'topic', 'create', 'name', '--if'), ['--if-not-exists'])
  assert.deepEqual(complete('millrace', '-b', 'ws://x', 'produce', 't', '--key-'), ['--key-separator'])
})
