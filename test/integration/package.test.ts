/**
 * The package as npm would publish it: packed, unpacked into a project that has only its run-time dependencies, and used
 * through its exports, its types and its bin. The programs of README.md and docs/RAFT.md are compiled and run there.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { transform } from 'esbuild'
import { freePorts } from '../../src/cli/bench/free-ports.ts'
import { version } from '../../src/util/version.ts'
import { assertBuilt } from '../support/built.ts'
import { readmeBlocks } from './readme.ts'
import { clientsOf, startNode, temporaryDirectory } from './support.ts'

assertBuilt(path.resolve())

const run = promisify(execFile)

interface Package {
  readonly version: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly dependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Package
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Package> }

test('the version is the same everywhere', () => {
  assert.equal(version, manifest.version)
  assert.equal(lock.packages['']!.version, manifest.version)
})

test('the lock file holds what every platform needs, or npm ci refuses it', () => {
  for (const [place, { dependencies, optionalDependencies }] of Object.entries(lock.packages)) {
    for (const [name, wanted] of Object.entries({ ...dependencies, ...optionalDependencies })) {
      const isThere = `${place}/node_modules/${name}` in lock.packages || `node_modules/${name}` in lock.packages
      assert.ok(isThere, `${place || 'package.json'} wants ${name}@${wanted}`)
    }
  }
  for (const [name, wanted] of Object.entries({ ...manifest.dependencies, ...manifest.optionalDependencies }))
    assert.equal(lock.packages[`node_modules/${name}`]!.version, wanted, name)
})

/** A directory in which `millrace` is installed from its tarball, with links instead of downloads. */
async function installedProject(t: TestContext): Promise<string> {
  const project = temporaryDirectory(t)
  const modules = path.join(project, 'node_modules')
  mkdirSync(path.join(modules, '@types'), { recursive: true })
  // Without its scripts: they would build `dist` anew under the feet of other tests.
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', project])
  const [tarball] = JSON.parse(stdout) as [{ filename: string }]
  await run('tar', ['-xzf', path.join(project, tarball.filename), '-C', modules])
  symlinkSync(path.join(modules, 'package'), path.join(modules, 'millrace'))
  const installed = new Set(readdirSync('node_modules', { recursive: false }).map(String))
  for (const [place, { dev }] of Object.entries(lock.packages)) {
    const name = place.slice('node_modules/'.length)
    if (dev === true || place === '' || name.includes('node_modules/') || !isInstalled(name, installed)) continue
    mkdirSync(path.dirname(path.join(modules, name)), { recursive: true })
    symlinkSync(path.resolve(place), path.join(modules, name))
  }
  symlinkSync(path.resolve('node_modules/@types/node'), path.join(modules, '@types', 'node'))
  symlinkSync(path.resolve('node_modules/undici-types'), path.join(modules, 'undici-types'))
  return project
}

/** Binaries of other platforms are in the lock file and nowhere else. */
function isInstalled(name: string, topLevel: ReadonlySet<string>): boolean {
  const [scope, rest] = name.split('/')
  if (rest === undefined) return topLevel.has(name)
  return topLevel.has(scope!) && readdirSync(path.join('node_modules', scope!)).includes(rest)
}

/** The program with the ports of its members replaced by ones that are free here. */
async function onFreePorts(program: string): Promise<string> {
  const written = [...new Set(program.match(/(?<=127\.0\.0\.1:)\d+/g))]
  const free = await freePorts(written.length)
  return written.reduce((text, port, i) => text.replaceAll(port, `${free[i]}`), program)
}

const everything = `
import { Admin, ApiError, Consumer, Producer, type ConsumerRecord } from 'millrace'
import { startServer, type Server } from 'millrace/server'
const server: Server = await startServer({ port: 0, inMemory: true, config: { 'log.level': 'warn' } })
const producer = new Producer({ bootstrap: server.url, compression: 'zstd' })
const [sent] = await producer.send({ topic: 't', messages: [{ key: 'k', value: 'v', headers: { h: '1' } }] })
const offset: number = sent!.offset
// @ts-expect-error: offsets are numbers
const wrong: string = sent!.offset
const records: ConsumerRecord[] = []
const consumer = new Consumer({ bootstrap: server.url, topics: ['t'], from: 'start', until: 'end' })
for await (const record of consumer) records.push(record)
const admin = new Admin({ bootstrap: server.url })
let code = ''
try {
  await admin.deleteTopics({ topics: ['never'] })
} catch (error) {
  if (error instanceof ApiError) code = error.code
}
console.log(JSON.stringify([offset, typeof wrong, records.length, code]))
await Promise.all([producer.close(), consumer.close(), admin.close()])
await server.close()
`

test('the packed package: its files, its types under both resolutions, its exports, its bin', async t => {
  const project = await installedProject(t)
  const shipped = readdirSync(path.join(project, 'node_modules', 'package')).sort()
  assert.deepEqual(shipped, ['CHANGELOG.md', 'LICENSE', 'README.md', 'bin', 'dist', 'package.json'])
  assert.ok(!existsSync(path.join(project, 'node_modules/millrace/dist/.source-digest')), 'it is for checkouts')

  const programs = readmeBlocks().filter(({ language }) => language === 'ts')
  assert.equal(programs.length, 2)
  const server = await startNode(t, { inMemory: true })
  const { admin, producer } = clientsOf(t, server)
  await admin.createTopics({ topics: [{ name: 'orders', numPartitions: 4 }] })
  await producer.send({ topic: 'orders', messages: [{ key: 'me', value: 'hello' }] })
  const [group] = readmeBlocks('docs/RAFT.md').filter(({ language }) => language === 'ts')
  const sources = [
    everything,
    ...programs.map(({ text }) => text.replaceAll('ws://127.0.0.1:9292', server.url)),
    await onFreePorts(group!.text),
  ]
  const outputs: string[] = []
  writeFileSync(path.join(project, 'package.json'), JSON.stringify({ name: 'user', private: true }))
  for (const [i, source] of sources.entries()) writeFileSync(path.join(project, `program-${i}.mts`), source)
  const options = { strict: true, noEmit: true, target: 'ES2022', skipLibCheck: false, types: ['node'] }
  const files = sources.map((_, i) => `program-${i}.mts`)
  for (const [name, module, moduleResolution] of [
    ['node', 'NodeNext', 'NodeNext'],
    ['bundler', 'ESNext', 'bundler'],
  ]) {
    const compilerOptions = { ...options, module, moduleResolution }
    writeFileSync(path.join(project, `tsconfig.${name}.json`), JSON.stringify({ compilerOptions, files }))
    const compiler = path.resolve('node_modules/typescript/bin/tsc')
    await run(process.execPath, [compiler, '-p', `tsconfig.${name}.json`], { cwd: project }).catch(
      (error: { stdout: string }) => assert.fail(`${name}: ${error.stdout}`),
    )
  }
  for (const [i, source] of sources.entries()) {
    const { code } = await transform(source, { loader: 'ts' })
    writeFileSync(path.join(project, `program-${i}.mjs`), code)
    const { stdout } = await run(process.execPath, [`program-${i}.mjs`], { cwd: project })
    outputs.push(stdout)
  }
  assert.equal(outputs[0], '[0,"number",1,"UNKNOWN_TOPIC_OR_PARTITION"]\n')
  assert.equal(outputs[1], "{ topic: 'orders', partition: 3, offset: 1 }\n3 0 hello\n3 1 hi\n")
  assert.equal(outputs[3], '2\n5\n')

  const bin = path.join(project, 'node_modules', 'millrace', 'bin', 'millrace.cjs')
  const listed = await run(process.execPath, [bin, 'topic', 'list', '--format', 'json', '-b', server.url])
  assert.equal((JSON.parse(listed.stdout) as unknown[]).length, 1)
  const unexported = run(process.execPath, ['-e', "import('millrace/dist/index.js')"], { cwd: project })
  await assert.rejects(unexported, /ERR_PACKAGE_PATH_NOT_EXPORTED/)
})
