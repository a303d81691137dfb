import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { Client } from 'pg'
import { describe, expect, it, vi } from 'vitest'
import { type PostgresServer, startPostgres } from '../scripts/embedded-postgres.ts'

const SERVER_MODULE = new URL('../scripts/embedded-postgres.ts', import.meta.url).href

async function query(server: PostgresServer, sql: string): Promise<unknown[]> {
  const client = new Client(server.url)
  await client.connect()
  const { rows } = await client.query(sql)
  await client.end()
  return rows
}

// Whoever brings a server of their own may be on a platform without an embedded one.
describe.skipIf(process.env['DATABASE_URL'])('the embedded server', () => {
  it('recovers from a crash on the same port, with what was logged and without what was not', async () => {
    await using server = await startPostgres()
    const { url } = server
    await query(
      server,
      'create table logged as select 1 as n; create unlogged table unlogged as select 1 as n',
    )
    await server.kill()
    expect(server.pid).toBeUndefined()
    await server.start()
    expect(server.url).toBe(url)
    expect(await query(server, 'table logged')).toEqual([{ n: 1 }])
    expect(await query(server, 'table unlogged')).toEqual([])
  })

  it('leaves nothing behind when its starter is killed', async () => {
    const program = `
      import { startPostgres } from '${SERVER_MODULE}'
      const { dataDirectory } = await startPostgres()
      console.log(dataDirectory)
      setInterval(() => {}, 1_000)`
    const starter = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(starter.stdout, 'data')) as [Buffer]
    const dataDirectory = line.toString().trim()
    expect(existsSync(dataDirectory)).toBe(true)
    starter.kill('SIGKILL')
    await vi.waitFor(() => expect(existsSync(dataDirectory)).toBe(false), { timeout: 10_000 })
  })

  it('says why it cannot start', async () => {
    const start = startPostgres({ settings: { shared_buffers: 'lots' } })
    await expect(start).rejects.toThrow(/set DATABASE_URL.*\n.*invalid value for parameter "shared_buffers"/)
  })
})
