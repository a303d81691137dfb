// The manual of the command, as long as one screen.

export const HELP: string = `The cache in PostgreSQL that postgres-cache keeps: install it, look at it, remove it.

Usage
  postgres-cache migrate    installs the schema or upgrades it, breaking steps included
  postgres-cache sql        prints the SQL that installs it, for migration tools
                            with --roles: that of an owner and of a role for services
  postgres-cache status     shows version, sizes, housekeeping and who is connected
  postgres-cache doctor     looks for what keeps a cache here from working well
  postgres-cache prune      removes expired and invalidated entries now
  postgres-cache drop       removes everything that migrate has created

Where
  --url <url>               postgres://user:password@host:port/database
                            (default: DATABASE_URL, else the PG* environment variables)
  --schema <name>           schema of the tables (default: postgres_cache)
  --prefix <text>           what their names begin with (default: nothing)

For migrate and sql
  --channel <name>          channel of the notifications (default: cache_events)
  --durability <word>       unlogged: a crash of the server empties the cache (default)
                            logged: entries survive it

For sql --roles: run it before migrate, and again after it and after each upgrade
  --owner <role>            who migrates (default: postgres_cache_owner)
  --application <role>      who uses the cache (default: postgres_cache_application)

For one command
  --session-url <url>       doctor: the address that sessionConnectionString would have
  --json                    status and doctor for programs: bytes, milliseconds, transactions
  --yes                     drop without asking

  -h, --help                prints this
  -v, --version             prints the version of the package

Exit codes: 0 done, 1 failed, declined, or a problem found, 2 wrong usage.`
