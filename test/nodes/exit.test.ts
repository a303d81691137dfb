import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createDatabase } from '../database.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const { url } = await createDatabase()
// The discard port: nobody listens there.
const NOWHERE = 'postgres://nobody@127.0.0.1:9/nothing'

interface Ending {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a script with `PostgresCache` imported, in a process of its own, until it ends by itself. */
async function run(script: string): Promise<Ending> {
  const program = `import { PostgresCache } from './src/index.ts'\n${script}`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  clearTimeout(timer)
  return { code, stdout, stderr }
}

const options = (more: object = {}): string => JSON.stringify({ connectionString: url, ...more })

describe('a script that never closes its cache', () => {
  it.each([
    ['that listens', options()],
    ['that polls', options({ notifications: 'poll' })],
    ['that has no local cache', options({ local: false })],
  ])('(%s) still ends', async (_, given) => {
    const ending = await run(`
      const cache = new PostgresCache(${given})
      await cache.set('a', 1)
      await cache.get('a')
      await cache.getOrSet('b', async () => 2)
      cache.on('hit', () => {})
      console.log(await cache.get('b'))
    `)
    expect(ending).toEqual({ code: 0, stdout: '2\n', stderr: '' })
  })

  it('(that was never connected) still ends', async () => {
    expect(await run(`new PostgresCache(${options()})`)).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('(whose server is not there) still ends', async () => {
    const ending = await run(`
      const cache = new PostgresCache({ connectionString: '${NOWHERE}' })
      console.log(await cache.get('a'), await cache.getOrSet('a', () => 'loaded'))
      await cache.set('a', 1).catch((error) => console.log(error.code))
    `)
    expect(ending).toEqual({ code: 0, stdout: 'undefined loaded\nunavailable\n', stderr: '' })
  })
})

describe('a script that closes its cache', () => {
  it('has no handle and no timer left, not even one that would let it end', async () => {
    const ending = await run(`
      const timers = new Set()
      for (const name of ['Timeout', 'Interval']) {
        const [set, clear] = [globalThis['set' + name], globalThis['clear' + name]]
        globalThis['set' + name] = (work, ms) => {
          const timer = set(() => {
            if (name === 'Timeout') timers.delete(timer)
            work()
          }, ms)
          timers.add(timer)
          return timer
        }
        globalThis['clear' + name] = (timer) => {
          timers.delete(timer)
          clear(timer)
        }
      }
      const count = () => ({ handles: process._getActiveHandles().length, timers: timers.size })
      const before = count()
      for (const more of [{}, { notifications: 'poll' }, { local: false }]) {
        const cache = new PostgresCache({ connectionString: '${url}', ...more })
        await cache.setMany([['a', 1], ['b', 2]])
        await Promise.all(['c', 'd'].map((key) => cache.getOrSet(key, async () => key)))
        await cache.get('a', { fresh: true })
        const during = count()
        await cache.close()
        console.log(JSON.stringify({ before, during, after: count() }))
      }
    `)
    expect(ending).toMatchObject({ code: 0, stderr: '' })
    const counts = ending.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, object>)
    expect(counts).toHaveLength(3)
    for (const { before, during, after } of counts) {
      expect(during).not.toEqual(before)
      expect(after).toEqual(before)
    }
  })

  it('ends right after', async () => {
    const ending = await run(`
      const cache = new PostgresCache(${options()})
      await cache.set('a', 1)
      await cache.close()
      const closed = performance.now()
      process.on('exit', () => console.log(performance.now() - closed < 500))
    `)
    expect(ending).toEqual({ code: 0, stdout: 'true\n', stderr: '' })
  })
})

describe('a call that nobody awaits', () => {
  it('is an unhandled rejection when it fails, also where it is timed', async () => {
    const { code, stdout } = await run(`
      let unhandled = 0
      process.on('unhandledRejection', () => void unhandled++)
      const cache = new PostgresCache({ connectionString: ${JSON.stringify(NOWHERE)} })
      for (let i = 0; i < 64; i++) void cache.set('key ' + i, i)
      setInterval(() => {
        if (unhandled === 64) process.exit(0)
      }, 20)`)
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  })
})
