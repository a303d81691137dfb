/** What a server says of itself in INFO: only one that calls itself Valkey is called Valkey here. */
export function serverOf(info: string): string {
  const field = (name: string): string | undefined =>
    info
      .split(/\r?\n/)
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
  const valkey = field('valkey_version')
  return valkey === undefined ? `Redis ${field('redis_version')}` : `Valkey ${valkey}`
}
