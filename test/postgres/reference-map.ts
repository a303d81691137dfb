// What two clients may see: a Map for the truth, and for each client what it may still believe. Whoever changes a key, reads it fresh or syncs
// is up to date with it; until then a plain read may return anything the key has held since, and never anything older than what it has returned.

export type Client = 0 | 1

interface Held {
  readonly value: number
  readonly tag: string | undefined
}

type Believed = number | undefined

export class ReferenceMap {
  readonly #entries = new Map<string, Held>()
  /** For each client and key: what it held since the client was up to date, oldest first, the truth last. */
  readonly #believed: readonly [Map<string, Believed[]>, Map<string, Believed[]>] = [new Map(), new Map()]

  get(key: string): Believed {
    return this.#entries.get(key)?.value
  }

  /** Live keys, in key order. */
  keys(): string[] {
    return [...this.#entries.keys()].toSorted()
  }

  set(client: Client, key: string, value: number, tag?: string): void {
    this.#change(client, key, { value, tag })
  }

  delete(client: Client, key: string): void {
    this.#change(client, key, undefined)
  }

  deletePrefix(client: Client, prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.delete(client, key)
  }

  /** Whoever holds something older, with other tags, does not learn from this that it has changed since. */
  invalidateTag(client: Client, tag: string): void {
    for (const [key, held] of this.#entries) {
      if (held.tag !== tag) continue
      const believed = this.#believed[client].get(key)
      this.delete(client, key)
      if (believed !== undefined) this.#believed[client].set(key, [...believed, undefined])
    }
  }

  mayRead(client: Client, key: string): readonly Believed[] {
    return this.#believed[client].get(key) ?? [this.get(key)]
  }

  hasRead(client: Client, key: string, value: Believed): void {
    const believed = this.mayRead(client, key)
    this.#believed[client].set(key, believed.slice(believed.indexOf(value)))
  }

  /** `key` left out: with all of them. */
  isUpToDate(client: Client, key?: string): void {
    if (key === undefined) this.#believed[client].clear()
    else this.#believed[client].delete(key)
  }

  #change(client: Client, key: string, held: Held | undefined): void {
    const other: Client = client === 0 ? 1 : 0
    const before = this.mayRead(other, key)
    if (held === undefined) this.#entries.delete(key)
    else this.#entries.set(key, held)
    this.#believed[other].set(key, [...before, held?.value])
    this.isUpToDate(client, key)
  }
}
