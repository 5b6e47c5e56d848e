/** How commands end: exit codes, interruption, a reader that goes away, a node that is not there, supervision by `dev`. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { bin, ended, rigWithServer, runCli, spawnCli } from './support.ts'

const cli = rigWithServer()

/** A free port below those that systems hand out for port 0, so that no other test gets it meanwhile. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const server = createServer()
    const isFree = await new Promise<boolean>(resolve => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}

/** Collects what a stream says and waits until it has said something. */
function listenTo(stream: NodeJS.ReadableStream): { said(pattern: RegExp): Promise<RegExpExecArray> } {
  let text = ''
  let check = (): void => {}
  stream.setEncoding('utf8').on('data', (part: string) => {
    text += part
    check()
  })
  return {
    said: pattern =>
      new Promise((resolve, reject) => {
        stream.once('end', () => reject(new Error(`ended without saying ${pattern}: ${text}`)))
        check = () => {
          const match = pattern.exec(text)
          if (match !== null) resolve(match)
        }
        check()
      }),
  }
}

test('2: usage', async () => {
  for (const [args, said] of [
    [[], /^Usage: millrace /],
    [['nope'], /^error: unknown command 'nope'/],
    [['topics'], /Did you mean topic\?/],
    [['topic'], /^Usage: millrace topic /],
    [['consume'], /^error: missing required argument/],
    [['topic', 'list', '--nope'], /^error: unknown option/],
    [['topic', 'list', '--format', 'xml'], /Allowed choices/],
    [['topic', 'list', '-b', 'http://localhost'], /^error: .*ws:\/\//],
    [['topic', 'list', '-X', 'request.timeout.ms=soon'], /^error: -X request\.timeout\.ms=soon/],
  ] as const) {
    const { code, stdout, stderr } = await runCli(args)
    assert.deepEqual([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, said)
  }
})

test('3: nobody there, whatever the command', async () => {
  const url = `ws://127.0.0.1:${await freePort()}`
  const commands: [string[], string][] = [
    [['topic', 'list'], ''],
    [['topic', 'create', 'a', 'b'], ''],
    [['cluster', 'health'], ''],
    [['consume', 't'], ''],
    [['produce', 't', '-X', 'delivery.timeout.ms=1000'], 'v\n'],
  ]
  const endings = await Promise.all(commands.map(([args, input]) => runCli([...args, '-b', url], { input })))
  for (const [i, { code, stdout, stderr }] of endings.entries()) {
    assert.deepEqual([code, stdout], [3, ''], `${commands[i]![0].join(' ')}: ${stderr}`)
    assert.match(stderr, /^(NETWORK_EXCEPTION|REQUEST_TIMED_OUT): /m)
  }
})

test('130: consume interrupted prints what it has and goes', async () => {
  await cli.text(['topic', 'create', 'followed', '-p', '1'])
  await cli.text(['produce', 'followed', '-q'], 'a\n')
  const child = spawnCli(['consume', 'followed', '-o', 'start', '-b', cli.url])
  child.stdout.once('data', () => child.kill('SIGINT'))
  assert.deepEqual(await ended(child), { code: 130, stdout: 'a\n', stderr: '' })
})

test('130: produce interrupted has sent the whole lines it read', async () => {
  await cli.text(['topic', 'create', 'typed', '-p', '1'])
  const child = spawnCli(['produce', 'typed', '-b', cli.url])
  child.stdin.on('error', () => {})
  child.stdin.write('whole\nhal')
  child.stdout.once('data', () => child.kill('SIGINT'))
  const { code } = await ended(child)
  assert.equal(code, 130)
  assert.equal(await cli.text(['consume', 'typed', '-o', 'start', '-e']), 'whole\n')
})

test('a reader that closes the pipe is no failure', { skip: process.platform === 'win32' }, async () => {
  await cli.text(['topic', 'create', 'long', '-p', '1'])
  await cli.text(['produce', 'long', '-q'], `${'x'.repeat(1000)}\n`.repeat(2000))
  const script = `node '${bin}' consume long -o start -e | head -n 1 | wc -c; echo "\${PIPESTATUS[0]}"`
  const shell = spawn('bash', ['-c', script], { env: { ...process.env, MILLRACE_BOOTSTRAP: cli.url } })
  const { stdout, stderr } = await ended(shell)
  assert.deepEqual(stdout.trim().split(/\s+/), ['1001', '0'], stderr)
  assert.equal(stderr, '')
})

test('no colour when stdout is no terminal, even if the environment asks for it', async () => {
  const { code, stdout } = await cli.run(['topic', 'list'], { env: { FORCE_COLOR: '1' } })
  assert.equal(code, 0)
  assert.match(stdout, /^NAME /)
})

test('dev: a node that is killed comes back with its data, Ctrl-C stops all', async () => {
  const port = await freePort()
  const child = spawnCli(['dev', '--port-base', String(port), '--data-dir', path.join(cli.work, 'dev')])
  const stdout = listenTo(child.stdout)
  const stderr = listenTo(child.stderr)
  const exit = once(child, 'exit')
  const url = `ws://127.0.0.1:${port}`
  const at = { env: { MILLRACE_BOOTSTRAP: url } }
  const [, pid] = await stdout.said(new RegExp(`1 +${url} +http.*?(\\d+)\\n`))
  await runCli(['topic', 'create', 'kept', '-p', '1'], at)
  await runCli(['produce', 'kept'], { ...at, input: 'v\n' })
  process.kill(Number(pid), 'SIGKILL')
  await stderr.said(/node 1 ended \(SIGKILL\), restarting\n/)
  await stderr.said(/node 1 is back/)
  assert.equal((await runCli(['consume', 'kept', '-o', 'start', '-n', '1'], at)).stdout, 'v\n')
  child.kill('SIGINT')
  assert.deepEqual(await exit, [0, null])
  await assert.rejects(fetch(`${url.replace('ws', 'http')}/livez`), { name: 'TypeError' })
})

test('dev: a node that cannot start ends it, and so does one that dies with --no-restart', async () => {
  const taken = String(new URL(cli.url).port)
  const { code, stderr } = await runCli(['dev', '--port-base', taken, '--data-dir', path.join(cli.work, 'dev-taken')])
  assert.equal(code, 1)
  assert.match(stderr, /in use/)
  const port = await freePort()
  const dataDir = path.join(cli.work, 'dev-mortal')
  const child = spawnCli(['dev', '--no-restart', '--port-base', String(port), '--data-dir', dataDir])
  const exit = once(child, 'exit')
  const [, pid] = await listenTo(child.stdout).said(/ws:.*?(\d+)\n/)
  process.kill(Number(pid), 'SIGKILL')
  assert.deepEqual(await exit, [1, null])
  assert.equal((await runCli(['dev', '--nodes', '10'])).code, 2)
})

test('server: says where it listens, stops in order on SIGTERM, refuses a second one on its data', async () => {
  const dataDir = path.join(cli.work, 'served')
  const child = spawnCli(['server', '--port', '0', '--data-dir', dataDir])
  const exit = once(child, 'exit')
  const [, url] = await listenTo(child.stdout).said(/Millrace listens on (ws:\S+), data in .*Ctrl-C stops\.\n/s)
  const health = await fetch(`${url!.replace('ws', 'http')}/readyz`)
  assert.equal(health.status, 200)
  const second = await runCli(['server', '--port', '0', '--data-dir', dataDir])
  assert.notEqual(second.code, 0)
  assert.match(second.stderr, /served/)
  child.kill('SIGTERM')
  assert.deepEqual(await exit, [0, null])
})
