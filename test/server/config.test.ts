import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { topicConfigs } from '../../src/metadata/topic-configs.ts'
import {
  configSpecs,
  environmentName,
  listenerUrl,
  loadConfig,
  peerListenerOf,
  peerUrlOf,
  voterUrlsOf,
} from '../../src/server/config/index.ts'
import { settingsFrom } from '../../src/server/settings.ts'
import { ConfigError } from '../../src/util/errors.ts'
import { runs } from '../support/depth.ts'

const refused = (sources: Parameters<typeof loadConfig>[0], key: string, message: RegExp): void => {
  assert.throws(
    () => loadConfig(sources),
    error => {
      assert.ok(error instanceof ConfigError, String(error))
      assert.equal(error.key, key)
      assert.match(error.message, message)
      assert.ok(!error.message.includes('\n'), 'one line')
      return true
    },
  )
}

function withFile(text: string, run: (file: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-config-'))
  try {
    const file = join(directory, 'millrace.yaml')
    writeFileSync(file, text)
    run(file)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('with no source every setting has its default, and the defaults fit each other', () => {
  const config = loadConfig()
  assert.equal(config.nodeId, 1)
  assert.deepEqual(config.listeners, [{ protocol: 'ws', host: '127.0.0.1', port: 9292 }])
  assert.equal(config.advertisedListeners, null)
  assert.deepEqual(config.allowedOrigins, [])
  assert.deepEqual(config.processRoles, ['broker', 'controller'])
  assert.equal(config.brokerRack, null)
  assert.equal(config.logDirs, './data')
  assert.equal(config.topics.flushPolicy, 'sync')
  assert.equal(config.topicDefaults.size, 0)
  assert.deepEqual(
    config.entries.map(entry => entry.key),
    [...configSpecs.keys()],
  )
  assert.ok(config.entries.every(entry => entry.origin === 'default' && entry.where === null))
})

test('every default is valid, every topic config has its twin, no two settings share a variable', () => {
  for (const [key, spec] of configSpecs) assert.equal(spec.kind.fault(spec.default), null, key)
  for (const topic of topicConfigs) assert.equal(configSpecs.get(topic.brokerKey)?.topicKey, topic.key)
  assert.equal(new Set([...configSpecs.keys()].map(environmentName)).size, configSpecs.size)
})

test('later sources win, and each value says where it is from', () => {
  withFile('node.id: 3\nlog:\n  retention:\n    ms: 1000\n  flush.policy: os\nnum.partitions: 5\n', file => {
    const env = { MILLRACE_NUM_PARTITIONS: '6', MILLRACE_LOG_RETENTION_MS: '2000', HOME: '/root' }
    const config = loadConfig({ file, env, overrides: { 'log.retention.ms': -1 } })
    assert.equal(config.nodeId, 3)
    assert.equal(config.numPartitions, 6)
    assert.equal(config.topics.retentionMs, -1)
    assert.equal(config.topics.flushPolicy, 'os')
    assert.deepEqual([...config.topicDefaults].sort(), [
      ['log.flush.policy', 'os'],
      ['log.retention.ms', '-1'],
    ])
    const entry = (key: string) => config.entries.find(e => e.key === key)
    assert.deepEqual([entry('node.id')?.origin, entry('node.id')?.where], ['file', file])
    assert.deepEqual(
      [entry('num.partitions')?.origin, entry('num.partitions')?.where],
      ['environment', 'MILLRACE_NUM_PARTITIONS'],
    )
    assert.deepEqual([entry('log.retention.ms')?.origin, entry('log.retention.ms')?.value], ['set', '-1'])
  })
})

test('a list in YAML is its parts with commas; big integers keep every digit', () => {
  withFile(
    'allowed.origins: [ "https://a.example", "http://b.example:81" ]\nlog.retention.ms: 9007199254740991\n',
    file => {
      const config = loadConfig({ file })
      assert.deepEqual(config.allowedOrigins, ['https://a.example', 'http://b.example:81'])
      assert.equal(config.topics.retentionMs, Number.MAX_SAFE_INTEGER)
    },
  )
  withFile('log.retention.ms: 9007199254740993\n', file => refused({ file }, 'log.retention.ms', /9007199254740993/))
  withFile('', file => assert.equal(loadConfig({ file }).nodeId, 1))
})

test('an unknown key is refused with the one that was probably meant', () => {
  refused({ overrides: { 'nod.id': 1 } }, 'nod.id', /^unknown setting nod\.id \(from --set\): did you mean node\.id\?$/)
  refused({ env: { MILLRACE_NUM_PARTITION: '1' } }, 'MILLRACE_NUM_PARTITION', /did you mean MILLRACE_NUM_PARTITIONS\?/)
  refused({ overrides: { 'zookeeper.connect': 'x' } }, 'zookeeper.connect', /millrace config list/)
  withFile('log:\n  retention: 5\n', file => refused({ file }, 'log.retention', /unknown setting log\.retention/))
})

test('variables that others set for a service named millrace are not settings', () => {
  const env = {
    MILLRACE_PORT: 'tcp://10.0.0.7:9292',
    MILLRACE_PORT_9292_TCP: 'tcp://10.0.0.7:9292',
    MILLRACE_PORT_9292_TCP_ADDR: '10.0.0.7',
    MILLRACE_SERVICE_HOST: '10.0.0.7',
    MILLRACE_SERVICE_PORT_CLIENTS: '9292',
    MILLRACE_BOOTSTRAP: 'ws://127.0.0.1:9292',
  }
  assert.equal(loadConfig({ env }).nodeId, 1)
})

test('a bad value is refused with key, value, source and what was expected', () => {
  refused(
    { overrides: { 'node.id': 'one' } },
    'node.id',
    /^node\.id=one \(from --set\): expected an integer from 0 to 2147483647$/,
  )
  refused(
    { env: { MILLRACE_ALLOW_INSECURE_LISTENERS: 'yes' } },
    'allow.insecure.listeners',
    /MILLRACE_ALLOW.*expected true or false/,
  )
  refused({ overrides: { 'log.cleanup.policy': 'compact' } }, 'log.cleanup.policy', /compaction is not available/)
  refused({ overrides: { 'process.roles': 'voter' } }, 'process.roles', /expected broker, controller, or/)
  refused({ overrides: { 'process.roles': '' } }, 'process.roles', /expected broker, controller, or/)
  refused({ overrides: { 'process.roles': 'broker,broker' } }, 'process.roles', /expected broker, controller, or/)
  refused({ overrides: { 'controller.quorum.voters': '1@a:1,1@b:1' } }, 'controller.quorum.voters', /there twice/)
  refused({ overrides: { 'controller.quorum.voters': '1@a' } }, 'controller.quorum.voters', /expected id@host:port/)
  refused({ overrides: { 'peer.listener': 'ws://a:1,ws://b:1' } }, 'peer.listener', /one listener/)
  refused({ overrides: { 'log.dirs': '/a,/b' } }, 'log.dirs', /one directory/)
  refused({ overrides: { 'allowed.origins': 'console.example' } }, 'allowed.origins', /https:\/\/console/)
  refused({ overrides: { listeners: 'http://127.0.0.1:1' } }, 'listeners', /expected ws:\/\/host:port/)
  refused({ overrides: { listeners: 'ws://127.0.0.1:70000' } }, 'listeners', /expected ws/)
  refused({ overrides: { listeners: 'wss://127.0.0.1:1' } }, 'listeners', /encryption is not available/)
  refused({ overrides: { listeners: '' } }, 'listeners', /expected ws/)
  withFile('node.id:\n', file => refused({ file }, 'node.id', /has no value/))
  withFile('node.id: 1\nnode:\n  id: 2\n', file => refused({ file }, 'node.id', /set twice/))
  withFile('a: [1\nb: 2\n', file => refused({ file }, 'config', /line 2/))
  refused({ overrides: { 'node.id': '1\n2' } }, 'node.id', /node\.id=1\\n2/)
  withFile('- 1\n', file => refused({ file }, 'config', /is not a map/))
  refused({ file: '/nonexistent/millrace.yaml' }, 'config', /cannot read \/nonexistent/)
})

test('a bad value is refused even where a later source wins', () => {
  refused({ env: { MILLRACE_NODE_ID: 'x' }, overrides: { 'node.id': 2 } }, 'node.id', /from MILLRACE_NODE_ID/)
})

test('only loopback, unless told otherwise; and every address only with one to connect to', () => {
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '127.8.8.8'])
    assert.equal(loadConfig({ overrides: { listeners: `ws://${host}:1` } }).listeners[0]!.port, 1)
  for (const host of ['0.0.0.0', '', '[::]', '10.0.0.1', 'example.com', '127.0.0.1.example.com', '[fe80::1]'])
    refused({ overrides: { listeners: `ws://${host}:1` } }, 'listeners', /allow\.insecure\.listeners=true/)
  const open = { 'allow.insecure.listeners': true }
  assert.equal(loadConfig({ overrides: { ...open, listeners: 'ws://10.0.0.1:0' } }).listeners[0]!.host, '10.0.0.1')
  for (const host of ['0.0.0.0', '', '[::]'])
    refused({ overrides: { ...open, listeners: `ws://${host}:1` } }, 'advertised.listeners', /listens on every address/)
  const advertised = { 'advertised.listeners': 'ws://[2001:db8::1]:9' }
  const config = loadConfig({ overrides: { ...open, ...advertised, listeners: 'ws://0.0.0.0:1' } })
  assert.deepEqual(config.advertisedListeners, [{ protocol: 'ws', host: '2001:db8::1', port: 9 }])
  refused({ overrides: { 'advertised.listeners': 'ws://0.0.0.0:1' } }, 'advertised.listeners', /not every address/)
})

test('a node alone needs no listener for others; one of several has one, under the rules of the first', () => {
  const peers = (overrides: Record<string, string | number | boolean>) => {
    const config = loadConfig({ overrides })
    const listener = peerListenerOf(config)
    return { listener: listener === null ? null : listenerUrl(listener), url: peerUrlOf(config, 77) }
  }
  const voters = '1@a:9293,2@b:9293,3@c:9293'
  assert.deepEqual(peers({}), { listener: null, url: null })
  assert.deepEqual(peers({ 'controller.quorum.voters': '1@127.0.0.1:9293' }).listener, null)
  assert.deepEqual(peers({ 'controller.quorum.voters': voters }), {
    listener: 'ws://127.0.0.1:9293',
    url: 'ws://a:9293',
  })
  const observer = { 'node.id': 4, 'controller.quorum.voters': voters }
  for (const roles of ['broker', 'broker,controller'])
    assert.equal(peers({ ...observer, 'process.roles': roles }).url, 'ws://127.0.0.1:77')
  assert.equal(peers({ 'process.roles': 'controller' }).listener, 'ws://127.0.0.1:9293')
  assert.equal(peers({ 'peer.listener': 'ws://127.0.0.1:0' }).url, 'ws://127.0.0.1:77')
  const advertised = { 'advertised.peer.listener': 'ws://node-1:1234', 'controller.quorum.voters': voters }
  assert.equal(peers(advertised).url, 'ws://node-1:1234')
  assert.equal(
    peers({ 'advertised.peer.listener': 'ws://node-1:0', 'peer.listener': 'ws://[::1]:0' }).url,
    'ws://node-1:77',
  )

  refused({ overrides: { 'peer.listener': 'ws://10.0.0.1:1' } }, 'peer.listener', /allow\.insecure\.listeners=true/)
  const open = { 'allow.insecure.listeners': true, 'peer.listener': 'ws://0.0.0.0:9293' }
  refused({ overrides: open }, 'advertised.peer.listener', /other nodes can connect to: .*every address/)
  assert.equal(peers({ ...open, 'controller.quorum.voters': voters }).url, 'ws://a:9293')
  refused(
    { overrides: { ...advertised, 'advertised.peer.listener': 'ws://0.0.0.0:1' } },
    'advertised.peer.listener',
    /not every/,
  )
})

test('the voters are known by their addresses', () => {
  const config = loadConfig({ overrides: { 'controller.quorum.voters': '1@[::1]:9293, 2@b:9303' } })
  assert.deepEqual(
    [...voterUrlsOf(config)],
    [
      [1, 'ws://[::1]:9293'],
      [2, 'ws://b:9303'],
    ],
  )
  assert.equal(voterUrlsOf(loadConfig()).size, 0)
})

test('values that do not fit each other are refused', () => {
  const cases: [key: string, overrides: Record<string, number | string>][] = [
    ['message.max.bytes', { 'message.max.bytes': 33 * 1024 * 1024 }],
    ['socket.request.max.bytes', { 'connection.queued.max.request.bytes': 2_000_000 }],
    ['connection.queued.max.request.bytes', { 'queued.max.request.bytes': 20_000_000 }],
    ['fetch.max.bytes', { 'fetch.memory.max.bytes': 10_000_000 }],
    ['fetch.max.bytes', { 'connection.buffered.max.bytes': 10_000_000 }],
    ['max.connections.per.ip', { 'max.connections': 10 }],
    ['broker.heartbeat.interval.ms', { 'broker.session.timeout.ms': 1000 }],
    ['broker.gone.grace.ms', { 'broker.gone.grace.ms': 10_000 }],
    ['controller.quorum.heartbeat.interval.ms', { 'controller.quorum.election.timeout.ms': 200 }],
    ['controller.quorum.tick.ms', { 'controller.quorum.tick.ms': 200 }],
    ['controller.quorum.voters', { 'process.roles': 'broker' }],
    ['controller.quorum.voters', { 'process.roles': 'broker', 'controller.quorum.voters': '1@127.0.0.1:9293' }],
    ['peer.listener', { 'peer.listener': 'ws://127.0.0.1:9292' }],
    ['peer.listener', { 'controller.quorum.voters': '1@127.0.0.1:9303,2@127.0.0.1:9293' }],
  ]
  for (const [key, overrides] of cases) refused({ overrides }, key, new RegExp(`^${key}=.*: expected`))
  const voters = loadConfig({ overrides: { 'controller.quorum.voters': '1@[::1]:9293' } }).controllerQuorumVoters
  assert.deepEqual(voters, [{ nodeId: 1, host: '::1', port: 9293 }])
})

test('while nodes run, only what says so can be altered, and only to what it could be set to', () => {
  const { validateBrokerConfig } = settingsFrom(loadConfig(), null)
  const errorOf = (key: string, value: string | null) => validateBrokerConfig(key, value)?.error ?? null
  const key = 'replica.catchup.rate.bytes.per.second'
  for (const value of ['-1', '1024', '100000000', null]) assert.equal(errorOf(key, value), null)
  for (const value of ['-2', '0', '1023', 'fast']) assert.equal(errorOf(key, value), 'INVALID_CONFIG')
  assert.equal(errorOf('replica.lag.time.max.ms', '5000'), 'INVALID_CONFIG')
  assert.equal(errorOf('no.such.setting', '1'), 'INVALID_CONFIG')
})

test('min.insync.replicas is a number or the rule, never none', () => {
  assert.equal(loadConfig().topics.minInsyncReplicas, -1)
  for (const value of [-1, 1, 3])
    assert.equal(loadConfig({ overrides: { 'min.insync.replicas': value } }).topics.minInsyncReplicas, value)
  for (const value of [0, -2]) {
    const load = () => loadConfig({ overrides: { 'min.insync.replicas': value } })
    assert.throws(load, /expected an integer from 1 to 2147483647, or -1$/)
  }
})

test('whatever text is given, the settings are typed and within bounds, or there is one line', () => {
  const key = fc.constantFrom(...configSpecs.keys())
  const value = fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom('true', '', 'ws://', '0', ',', '::'))
  fc.assert(
    fc.property(fc.dictionary(key, value, { maxKeys: 3 }), overrides => {
      try {
        const config = loadConfig({ overrides })
        for (const [name, text] of Object.entries(overrides))
          assert.equal(configSpecs.get(name)!.kind.fault(text), null)
        assert.ok(Number.isSafeInteger(config.nodeId) && config.nodeId >= 0)
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error))
        assert.ok(error.message.length < 1000)
      }
    }),
    { numRuns: runs(500) },
  )
})
