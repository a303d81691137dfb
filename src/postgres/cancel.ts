// Ends a statement that nobody waits for any more. A server process that waits for a lock does not notice that its connection was closed: each further
// attempt would leave one more behind, until the server has none left for anybody.

import { connect, type Socket } from 'node:net'

/** What is used of a pg client; others have none of it. */
interface Cancellable {
  readonly processID?: number | null
  readonly secretKey?: number | null
  readonly host?: string
  readonly port?: number
  readonly connection?: { readonly stream?: Partial<Socket> }
}

const CANCEL_REQUEST = 80_877_102
const MESSAGE_BYTES = 16
// A server that cannot be reached cannot be asked either, and the connection is to be closed.
const PATIENCE_MS = 500

/** Closes the connection without a word to the server. */
export function cutOff(client: object): void {
  const { connection }: Cancellable = client
  connection?.stream?.destroy?.()
}

/**
 * Asks the server, over a connection of its own, to cancel what the client is doing. Resolves when it has closed that, or after half a second. Not encrypted,
 * as pg does it: the key that is sent ends with the connection that it belongs to.
 */
export function cancelStatement(client: object): Promise<void> {
  const { processID, secretKey }: Cancellable = client
  const target = addressOf(client)
  if (target === undefined || typeof processID !== 'number' || typeof secretKey !== 'number')
    return Promise.resolve()
  const message = Buffer.alloc(MESSAGE_BYTES)
  message.writeInt32BE(MESSAGE_BYTES, 0)
  message.writeInt32BE(CANCEL_REQUEST, 4)
  message.writeInt32BE(processID, 8)
  message.writeInt32BE(secretKey, 12)
  return new Promise((resolve) => {
    const socket = connect(target, () => socket.end(message))
    socket.unref()
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS)
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.resume()
  })
}

// Where the connection leads, and not what it was asked for: a name may have several addresses, and a stream may come from anywhere.
function addressOf({
  host,
  port,
  connection,
}: Cancellable): { host: string; port: number } | { path: string } | undefined {
  const { remoteAddress, remotePort } = connection?.stream ?? {}
  if (remoteAddress !== undefined && remotePort !== undefined)
    return { host: remoteAddress, port: remotePort }
  return host?.startsWith('/') === true && port !== undefined
    ? { path: `${host}/.s.PGSQL.${port}` }
    : undefined
}
