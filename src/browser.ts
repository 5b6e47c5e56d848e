/**
 * The library in a browser: `Producer`, `Consumer`, `Admin` with the browser's sockets, codecs, clock and randomness
 * filled in. The same classes as in `src/index.ts`, and no Node module.
 */
import { Admin as ClientAdmin } from './client/admin/admin.ts'
import type { AdminOptions } from './client/admin/types.ts'
import { browserClock, browserRandom } from './client/browser-clock.ts'
import { browserCodecs } from './client/browser-codecs.ts'
import { browserSocketFactory } from './client/browser-socket.ts'
import { Consumer as ClientConsumer } from './client/consumer/consumer.ts'
import type { ConsumerOptions } from './client/consumer/types.ts'
import { type ClientOptions, type ClientPorts, type WithPorts, withPorts } from './client/options.ts'
import { Producer as ClientProducer } from './client/producer/producer.ts'
import type { ProducerOptions } from './client/producer/types.ts'
import { socketConnect } from './client/socket-connect.ts'
import { silentLogger } from './util/logger.ts'

export * from './client/index.ts'

const ports: ClientPorts = {
  socketFactory: browserSocketFactory(browserClock),
  codecs: browserCodecs,
  clock: browserClock,
  random: browserRandom,
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
