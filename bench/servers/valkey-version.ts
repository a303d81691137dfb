/** What a server says of itself in INFO. */
export function serverOf(info: string): string {
  const field = (name: string): string | undefined =>
    info
      .split(/\r?\n/)
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
  const valkey = field('valkey_version')
  return valkey === undefined ? `Redis ${field('redis_version')}` : `Valkey ${valkey}`
}

/** Whether what serverOf() returned may be called Valkey where no version stands beside it: Redis is something else, and so was Valkey before 8. */
export function isValkey(server: string): boolean {
  return Number(/\bValkey (\d+)/.exec(server)?.[1]) >= 8
}
