/**
 * The library in Node: `Producer`, `Consumer`, `Admin` with Node's sockets, codecs, clock and randomness filled in.
 * `src/browser.ts` is the same for a browser.
 */
import { Admin as ClientAdmin } from './client/admin/admin.ts'
import type { AdminOptions } from './client/admin/types.ts'
import { Consumer as ClientConsumer } from './client/consumer/consumer.ts'
import type { ConsumerOptions } from './client/consumer/types.ts'
import { type ClientOptions, type ClientPorts, type WithPorts, withPorts } from './client/options.ts'
import { Producer as ClientProducer } from './client/producer/producer.ts'
import type { ProducerOptions } from './client/producer/types.ts'
import { socketConnect } from './client/socket-connect.ts'
import { clientClock } from './platform/client-clock.ts'
import { nodeCodecs } from './platform/codecs.ts'
import { installFastCrc32c } from './platform/crc32c.ts'
import { systemRandom } from './platform/random.ts'
import { wsSocketFactory } from './platform/ws-client.ts'
import { silentLogger } from './util/logger.ts'

export * from './client/index.ts'

installFastCrc32c()

const ports: ClientPorts = {
  socketFactory: wsSocketFactory(),
  codecs: nodeCodecs,
  clock: clientClock,
  random: systemRandom,
  logger: silentLogger,
}

const complete = <O extends ClientOptions>(options: O): WithPorts<O> => withPorts(options, ports)

export class Producer extends ClientProducer {
  constructor(options: ProducerOptions) {
    const all = complete(options)
    super(all, socketConnect(all))
  }
}

export class Consumer<K = Uint8Array | null, V = Uint8Array | null> extends ClientConsumer<K, V> {
  constructor(options: ConsumerOptions<K, V>) {
    const all = complete(options)
    super(all, socketConnect(all))
  }
}

export class Admin extends ClientAdmin {
  constructor(options: AdminOptions) {
    const all = complete(options)
    super(all, socketConnect(all))
  }
}
