// A web service that answers with a random number, the same for ten seconds in all of its processes.
//   npm run example:http
//   curl http://127.0.0.1:3000/number             the number
//   curl --request POST http://127.0.0.1:3000/number   a new one

import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { PostgresCache } from 'postgres-cache'
import { usePostgres } from '../scripts/database-url.ts'

const HOST = '127.0.0.1'
const KEY = 'number'
const TTL = '10s'

interface DrawnNumber {
  readonly value: number
  readonly drawnAt: string
}

function drawNumber(): DrawnNumber {
  return { value: randomInt(1, 1_000_000_000), drawnAt: new Date().toISOString() }
}

async function drawSlowly(): Promise<DrawnNumber> {
  await delay(100)
  return drawNumber()
}

// DATABASE_URL, or a server in a temporary folder. Your service has the address of its own.
await using postgres = await usePostgres()
await using cache = new PostgresCache({ connectionString: postgres.url })
// So that a wrong set-up is seen at the start, not at the first request.
await cache.connect()

async function answer({ url, method }: IncomingMessage): Promise<{ status: number; body: unknown }> {
  if (url !== '/number') return { status: 404, body: { error: 'not found' } }
  if (method === 'GET') return { status: 200, body: await cache.getOrSet(KEY, drawSlowly, { ttl: TTL }) }
  if (method !== 'POST') return { status: 405, body: { error: 'use GET or POST' } }
  const drawn = drawNumber()
  await cache.set(KEY, drawn, { ttl: TTL })
  return { status: 200, body: drawn }
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, body } = await answer(request).catch((error: unknown) => {
    console.error(error)
    return { status: 500, body: { error: 'internal error' } }
  })
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const server = createServer((request, response) => void handle(request, response))
server.listen(Number(process.env['PORT'] ?? 3000), HOST)
await once(server, 'listening')
const address = server.address()
const port = typeof address === 'object' ? address?.port : undefined
console.log(`http://${HOST}:${port}/number`)

const stopped = new AbortController()
// Not once: npm passes on the Ctrl-C that the terminal has sent to everyone already.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopped.abort())
await once(stopped.signal, 'abort')

// What is under way is answered; then cache and database close, because their scope ends here.
console.log('stopping')
server.close()
await once(server, 'close')
