// The cache that most people would write: rows are deleted inside the caller's transaction, and a load is followed by a plain upsert. It is here to
// be caught.

import type { ClientBase, Pool } from 'pg'
import type { GetOptions, GetOrSetOptions, Loader, TransactionCache, TransactionLike } from 'postgres-cache'
import type { CacheUnderTest } from './cache-under-test.ts'

// The keys and tags are those of WATCH.
export const NAIVE_SQL = `
create table harness.naive_entries (
  key text collate "C" primary key, value text not null, tags text[] not null, expires_at timestamptz not null
);
create function harness.naive_watch() returns trigger language plpgsql as $$
declare
  r record := coalesce(new, old);
begin
  delete from harness.naive_entries as e where e.key = 'watched:' || r.id || ':view' or 'watched-org:' || r.org = any (e.tags);
  return null;
end
$$;
create trigger naive_watch after insert or update or delete on harness.watched
for each row execute function harness.naive_watch();`

interface EntryOptions {
  readonly ttl?: string | number | null | undefined
  readonly tags?: readonly string[] | undefined
}

export class NaiveCache implements CacheUnderTest {
  readonly #pool: Pool
  readonly #prefix: string

  constructor(pool: Pool, prefix = '') {
    this.#pool = pool
    this.#prefix = prefix
  }

  namespace(name: string): NaiveCache {
    return new NaiveCache(this.#pool, `${this.#prefix}${name}:`)
  }

  async connect(): Promise<void> {}

  close(): Promise<void> {
    return this.#pool.end()
  }

  on(): () => void {
    return () => {}
  }

  async sync(): Promise<void> {}

  get<T>(key: string, _options?: GetOptions): Promise<T | undefined> {
    return read<T>(this.#pool, this.#prefix + key)
  }

  getMany<T>(keys: readonly string[]): Promise<(T | undefined)[]> {
    return Promise.all(keys.map((key) => this.get<T>(key)))
  }

  async getOrSet<T, Previous = T>(
    key: string,
    loader: Loader<T, Previous>,
    { signal = new AbortController().signal, ...options }: GetOrSetOptions = {},
  ): Promise<T> {
    const cached = await this.get<T>(key)
    if (cached !== undefined) return cached
    let own: EntryOptions = options
    const set = (changed: EntryOptions): void => {
      own = { ...own, ...changed }
    }
    const notModified = (): never => {
      throw new Error('there is no previous value')
    }
    const value = await loader({
      key,
      signal,
      previous: undefined,
      set,
      skip: (skipped) => skipped,
      notModified,
    })
    await this.set(key, value, own)
    return value
  }

  set(key: string, value: unknown, options: EntryOptions = {}): Promise<void> {
    return write(this.#pool, this.#prefix + key, value, options)
  }

  async delete(key: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query(...deletion.keys([this.#prefix + key]))
    return rowCount === 1
  }

  async invalidate(keys: string | readonly string[]): Promise<void> {
    await this.#pool.query(...deletion.keys([keys].flat().map((key) => this.#prefix + key)))
  }

  async invalidateTags(tags: string | readonly string[]): Promise<void> {
    await this.#pool.query(...deletion.tags([tags].flat()))
  }

  async deleteByPrefix(prefix: string): Promise<void> {
    await this.#pool.query(...deletion.prefix(this.#prefix + prefix))
  }

  clear(): Promise<void> {
    return this.deleteByPrefix('')
  }

  async prune(): Promise<number> {
    const { rowCount } = await this.#pool.query(
      'delete from harness.naive_entries where expires_at <= clock_timestamp()',
    )
    return rowCount ?? 0
  }

  async withTransaction(tx: TransactionLike): Promise<TransactionCache> {
    const client = tx as unknown as ClientBase
    const run = async ([text, values]: [string, unknown[]]): Promise<void> => {
      await client.query(text, values)
    }
    return {
      get: (key) => read(client, key),
      set: (key, value, options) => write(client, key, value, options ?? {}),
      delete: (key) => run(deletion.keys([key])),
      invalidate: (keys) => run(deletion.keys([keys].flat())),
      invalidateTags: (tags) => run(deletion.tags([tags].flat())),
      deleteByPrefix: (prefix) => run(deletion.prefix(prefix)),
    }
  }
}

const deletion = {
  keys: (keys: string[]): [string, unknown[]] => [
    'delete from harness.naive_entries where key = any ($1)',
    [keys],
  ],
  tags: (tags: string[]): [string, unknown[]] => [
    'delete from harness.naive_entries where tags && $1',
    [tags],
  ],
  prefix: (prefix: string): [string, unknown[]] => [
    'delete from harness.naive_entries where starts_with(key, $1)',
    [prefix],
  ],
}

async function read<T>(client: Pool | ClientBase, key: string): Promise<T | undefined> {
  const { rows } = await client.query<{ value: string }>(
    'select value from harness.naive_entries where key = $1 and expires_at > clock_timestamp()',
    [key],
  )
  return rows[0] === undefined ? undefined : (JSON.parse(rows[0].value) as T)
}

async function write(
  client: Pool | ClientBase,
  key: string,
  value: unknown,
  { ttl, tags = [] }: EntryOptions,
): Promise<void> {
  await client.query(
    `insert into harness.naive_entries values ($1, $2, $3, clock_timestamp() + $4 * interval '1 ms')
     on conflict (key) do update set value = excluded.value, tags = excluded.tags, expires_at = excluded.expires_at`,
    [key, JSON.stringify(value), tags, typeof ttl === 'number' ? ttl : DEFAULT_TTL_MS],
  )
}

const DEFAULT_TTL_MS = 5 * 60_000
