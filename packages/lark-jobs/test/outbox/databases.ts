/**
 * Real database servers for tests of the outbox: PostgreSQL and MariaDB from Debian's packages. Each server
 * listens on a free port of the loopback, has a folder of its own that is removed after the test, and needs
 * no password. `POSTGRES_BIN` names the folder with the programs of another PostgreSQL.
 */
import { chmod, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server } from '../redis/server.ts'

const isRoot = process.getuid?.() === 0

/** `postgres://…/postgres` @param args further options of the server */
export async function startPostgres(args: readonly string[] = []): Promise<Server> {
  // PostgreSQL refuses to run as root. The user that runs the server must be able to reach its folder.
  if (isRoot) await chmod(tmpdir(), 0o711)
  const server = await Server.with({
    binary: 'sh',
    args,
    ready: /database system is ready to accept connections/,
    // The server also uses the word FATAL to tell clients that it is still starting, which is not a failure.
    failed: /not found|FATAL: +(?! |the database system)/,
    config: (folder, port) =>
      script(
        folder,
        `data=${folder}/data
${isRoot ? `chmod 711 ${folder}; as="setpriv --reuid=postgres --regid=postgres --clear-groups"` : 'as='}
bin=\${POSTGRES_BIN:-$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)}
# The processes of one that was killed have its memory until they have seen that.
while ls -l /proc/[0-9]*/cwd 2> /dev/null | grep -q " $data$"; do sleep 0.02; done
if mkdir "$data" 2> /dev/null; then
${isRoot ? 'chown postgres "$data"' : ':'}
cd "$data"
$as "$bin/initdb" --no-sync -A trust -U postgres --locale=C.UTF-8 -E UTF8 -D "$data" > /dev/null
fi
rm -f "$data/postmaster.pid"
cd "$data"
exec $as "$bin/postgres" -D "$data" -h 127.0.0.1 -p ${port} -k "" -F -c autovacuum=off -c shared_buffers=16MB -c max_wal_size=64MB "$@" 2>&1`,
      ),
  })
  return server
}

/** `mysql://root@…/test` @param args further options of the server */
export async function startMariadb(args: readonly string[] = []): Promise<Server> {
  return Server.with({
    binary: 'sh',
    args,
    ready: /ready for connections/,
    config: (folder, port) =>
      script(
        folder,
        `data=${folder}/data
if [ ! -d "$data/mysql" ]; then
mariadb-install-db --no-defaults --auth-root-authentication-method=normal --skip-test-db --datadir="$data" ${isRoot ? '--user=root' : ''} > /dev/null 2>&1
fi
echo 'CREATE DATABASE IF NOT EXISTS test;' > ${folder}/init.sql
exec "$(command -v mariadbd || echo /usr/sbin/mariadbd)" --no-defaults ${isRoot ? '--user=root' : ''} --datadir="$data" --bind-address=127.0.0.1 --port=${port} --socket=${folder}/socket --init-file=${folder}/init.sql --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=16M --skip-log-bin "$@" 2>&1`,
      ),
  })
}

export function postgresUrl({ port }: Server): string {
  return `postgres://postgres@127.0.0.1:${port}/postgres`
}

export function mariadbUrl({ port }: Server): string {
  return `mysql://root@127.0.0.1:${port}/test`
}

/** Ends a server in an orderly way, because a killed server leaves shared memory behind. */
export async function stopDatabase(server: Server | undefined): Promise<void> {
  if (server?.isUp) process.kill(server.pid, 'SIGQUIT')
  await server?.[Symbol.asyncDispose]()
}

async function script(folder: string, text: string): Promise<string> {
  const path = join(folder, 'start.sh')
  await writeFile(path, `set -e\n${text}\n`)
  return path
}
