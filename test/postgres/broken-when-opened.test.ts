import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { PostgresCache } from '../../src/index.ts'

/** A message of the server: its type, its length, its content. */
function message(type: string, content: string | readonly number[]): Buffer {
  const body = Buffer.from(content)
  const head = Buffer.from(`${type}....`)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const AUTHENTICATED = message('R', [0, 0, 0, 0])
const READY = message('Z', 'I')
const TERMINATED = message('E', 'SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0')

it('a server that ends a connection in the same packet that opens it ends no process', async () => {
  const uncaught: unknown[] = []
  const remember = (error: unknown): unknown => uncaught.push(error)
  process.on('uncaughtException', remember)
  onTestFinished(() => void process.off('uncaughtException', remember))
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => {})
    socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATED, READY, TERMINATED])))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  const cache = new PostgresCache({ connectionString: `postgres://user@127.0.0.1:${port}/database` })
  expect(await cache.getOrSet('key', () => 'loaded')).toBe('loaded')
  await expect(cache.set('key', 'value')).rejects.toMatchObject({ code: 'unavailable' })
  await cache.close()
  server.close()
  expect(connections).toBeGreaterThan(0)
  expect(uncaught).toEqual([])
})
