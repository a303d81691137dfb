// One process's cache with everything around it that its clients use, and what is noticed about it.

import { Pool } from 'pg'
import type { Plan } from './arguments.ts'
import { type CacheUnderTest, openCache } from './cache-under-test.ts'
import { HistoryWriter, now, type Operation } from './history.ts'
import { REGISTER_NAMESPACE, REGISTERS } from './keys.ts'
import { Observer } from './observer.ts'
import { codeOf, isPassing } from './outages.ts'
import { Random } from './random.ts'

export interface NodeOptions {
  readonly plan: Plan
  readonly url: string
  readonly cacheUrl: string
  readonly directory: string
  readonly index: number
}

// With the cache's own they must stay below a server's default of 100 in four processes.
const TRANSACTION_CONNECTIONS = 8
const LOAD_CONNECTIONS = 4

export class Node {
  readonly name: string
  readonly cache: CacheUnderTest
  readonly observer: Observer
  readonly registers: CacheUnderTest
  /** The registers that are set through this node. */
  readonly ownRegisters: readonly number[]
  readonly transactions: Pool
  /** For loaders: READ COMMITTED, on connections of their own. */
  readonly loads: Pool
  readonly #plan: Plan
  readonly #history: HistoryWriter
  readonly #registerVersions = new Map<number, number>()
  #failures = 0

  constructor({ plan, url, cacheUrl, directory, index }: NodeOptions) {
    this.#plan = plan
    this.name = `node${index}`
    this.cache = openCache(cacheUrl, plan, index)
    this.registers = this.cache.namespace(REGISTER_NAMESPACE)
    this.ownRegisters = Array.from({ length: REGISTERS }, (_, i) => i).filter(
      (i) => i % plan.processes === index,
    )
    this.transactions = openPool(url, TRANSACTION_CONNECTIONS)
    this.loads = openPool(url, LOAD_CONNECTIONS)
    this.#history = new HistoryWriter(directory, this.name)
    this.observer = new Observer(
      this.cache,
      (during, error) => {
        const time = now()
        this.record({ op: 'trouble', during, message: error.message, start: time, end: time })
      },
      (error) => this.fail('audit', error, now()),
    )
  }

  get operations(): number {
    return this.#history.count
  }

  /** Calls that failed and must not. */
  get failures(): number {
    return this.#failures
  }

  record(operation: OperationWithoutNode): void {
    this.#history.add({ node: this.name, ...operation })
  }

  /** Whether an outage excuses it, the checker decides. */
  fail(during: string, error: unknown, start: number): void {
    const code = codeOf(error)
    if (!this.#plan.soak || !isPassing(code)) this.#failures++
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    this.record({ op: 'failure', during, message, code, start, end: now() })
  }

  nextVersion(register: number): number {
    const version = (this.#registerVersions.get(register) ?? 0) + 1
    this.#registerVersions.set(register, version)
    return version
  }

  async close(): Promise<void> {
    await this.cache.close()
    await Promise.all([this.transactions.end(), this.loads.end()])
    this.#history.close()
  }
}

/** Of connections that the server may end at any time: then their statements fail, and that is enough. */
function openPool(connectionString: string, max: number): Pool {
  const pool = new Pool({ connectionString, max })
  pool.on('error', () => {}).on('connect', (client) => client.on('error', () => {}))
  return pool
}

type OperationWithoutNode = Operation extends infer Each
  ? Each extends Operation
    ? Omit<Each, 'node'>
    : never
  : never

/** One of a node's clients: what it does is chosen by a generator of its own. */
export class Client {
  readonly node: Node
  readonly random: Random
  readonly #name: string
  #stamps = 0

  constructor(node: Node, index: number, seed: string) {
    this.node = node
    this.#name = `${node.name}.${index}`
    this.random = new Random(`${seed} ${this.#name}`)
  }

  /** Unique in the run. */
  nextStamp(): string {
    return `${this.#name}.${++this.#stamps}`
  }
}
