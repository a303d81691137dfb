// TLS with a certificate authority of the test's own: what is verified connects, over pool and session, and nothing else does.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/embedded-postgres.ts'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { CertificateAuthority } from '../certificates.ts'
import { blocksOf, readPage } from '../docs/markdown.ts'
import { atEndOfFile } from '../end-of-file.ts'
import { HAS_OWN_SERVERS, startOwnServer } from '../own-server.ts'

const HOST = 'localhost'
const PASSWORD = 'a password of the tests'
// The service by TLS and password only; the tests as they like.
const ACCESS = `hostssl all app all scram-sha-256
host all postgres all trust`

interface ServerAddress {
  readonly port: number
  readonly authority?: CertificateAuthority
}

/** The address that docs/security.md recommends, at this server. */
function addressOf({ port, authority }: ServerAddress): string {
  const [, documented = ''] =
    blocksOf(readPage('docs/security.md'))
      .map(({ code }) => /'(postgres:.*sslmode=.*)'/.exec(code))
      .find((found) => found !== null) ?? []
  const url = new URL(documented)
  url.host = `${HOST}:${port}`
  url.username = 'app'
  url.password = encodeURIComponent(PASSWORD)
  url.pathname = '/postgres'
  if (authority === undefined) url.searchParams.delete('sslrootcert')
  else url.searchParams.set('sslrootcert', authority.certificateFile)
  return url.href
}

async function startWithTls(authority: CertificateAuthority, host: string): Promise<PostgresServer> {
  const { certificateFile, keyFile } = authority.issue(host)
  const server = await startOwnServer({
    ssl: 'on',
    ssl_cert_file: certificateFile,
    ssl_key_file: keyFile,
    password_encryption: 'scram-sha-256',
  })
  atEndOfFile(() => server.stop())
  const admin = new pg.Client(server.url)
  await admin.connect()
  await admin.query(`create role app login password '${PASSWORD}'`)
  await admin.query('grant create on database postgres to app')
  writeFileSync(join(server.dataDirectory, 'pg_hba.conf'), ACCESS)
  await admin.query('select pg_reload_conf()')
  await admin.end()
  return server
}

async function failureOf(options: CacheOptions): Promise<unknown> {
  await using cache = new PostgresCache(options)
  return await cache.connect().then(
    () => 'connected',
    (error: unknown) => error,
  )
}

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

describe.runIf(HAS_OWN_SERVERS && hasOpenssl())('a server with TLS', () => {
  let authority: CertificateAuthority
  let other: CertificateAuthority
  let server: PostgresServer

  beforeAll(async () => {
    authority = new CertificateAuthority()
    other = new CertificateAuthority()
    atEndOfFile(async () => {
      for (const one of [authority, other]) one[Symbol.dispose]()
    })
    server = await startWithTls(authority, HOST)
  })

  /** How the connections of the cache reach the server. */
  async function connections(): Promise<unknown[]> {
    const admin = new pg.Client(server.url)
    await admin.connect()
    const { rows } = await admin.query(
      `select application_name, ssl from pg_stat_ssl join pg_stat_activity using (pid)
       where usename = 'app' order by application_name`,
    )
    await admin.end()
    return rows
  }

  it('is used as docs/security.md has it, over pool and session', async () => {
    await using cache = new PostgresCache({ connectionString: addressOf({ port: server.port, authority }) })
    await cache.connect()
    await cache.set('a', 1)
    expect(await cache.get('a', { fresh: true })).toBe(1)
    expect(await connections()).toEqual([
      { application_name: 'postgres-cache', ssl: true },
      { application_name: 'postgres-cache session', ssl: true },
    ])
  })

  it('is used over a pool that was given, and its TLS options and password over the session', async () => {
    const pool = new pg.Pool({
      host: HOST,
      port: server.port,
      database: 'postgres',
      user: 'app',
      password: PASSWORD,
      max: 1,
      ssl: { ca: readFileSync(authority.certificateFile, 'utf8') },
    })
    await using cache = new PostgresCache({ pool })
    await cache.connect()
    await cache.set('a', 2)
    expect(await cache.get('a', { fresh: true })).toBe(2)
    expect(await connections()).toEqual([
      { application_name: '', ssl: true },
      { application_name: 'postgres-cache session', ssl: true },
    ])
    await cache.close()
    await pool.end()
  })

  it('of an unknown authority is refused', async () => {
    for (const known of [other, undefined]) {
      const address: ServerAddress = { port: server.port, ...(known && { authority: known }) }
      expect(await failureOf({ connectionString: addressOf(address) })).toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('name the certificate of that authority with `sslrootcert`'),
      })
    }
  })

  it('of an unknown authority is refused for the session alone', async () => {
    const options: CacheOptions = {
      connectionString: addressOf({ port: server.port, authority }),
      sessionConnectionString: addressOf({ port: server.port, authority: other }),
    }
    expect(await failureOf(options)).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/^session failed: .* with `sslrootcert`/),
    })
  })

  it('of another name is refused', async () => {
    const elsewhere = await startWithTls(authority, 'elsewhere.example')
    const connectionString = addressOf({ port: elsewhere.port, authority })
    expect(await failureOf({ connectionString })).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('for another host: connect to a name that it carries'),
    })
  })

  it('refuses who comes without, and says what to add', async () => {
    const plain = new URL(addressOf({ port: server.port }))
    plain.search = ''
    expect(await failureOf({ connectionString: plain.href })).toMatchObject({
      code: 'permission-denied',
      message: expect.stringContaining('add `sslmode=verify-full` and `sslrootcert`'),
    })
  })

  it('is not replaced by one without, where TLS is asked for', async () => {
    await using without = await startOwnServer()
    const connectionString = addressOf({ port: without.port, authority })
    expect(await failureOf({ connectionString })).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('the connection asks for TLS and the server has none'),
    })
  })
})
