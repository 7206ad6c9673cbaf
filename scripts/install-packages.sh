#!/usr/bin/env bash
# Installs the packages of the folders that are given: test, tools, bench and client have a package.json and a lock file
# of their own, so that `npm ci` does not bring them to people who only run the server. What is installed already is left
# alone. With --lock it writes their lock files anew.
set -euo pipefail
cd "$(dirname "$0")/.."

lock() {
  rm -rf "$1/package-lock.json" "$1/node_modules"
  npm install --prefix "$1" --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund
}

install() {
  local key
  # What is compiled is for one version of Node.
  key=$(cat "$1"/package{,-lock}.json <(node -p process.versions.modules) | sha256sum)
  if [ "$(cat "$1/node_modules/.installed" 2>/dev/null)" = "$key" ]; then
    return 0
  fi
  local ci=(npm ci --prefix "$1" --no-audit --no-fund --loglevel=error)
  # Once more, as registries fail at times.
  "${ci[@]}" || "${ci[@]}"
  # The tests and the server share one ws and its types: classes and types of a second copy would be others.
  rm -rf "$1"/node_modules/{ws,@types/ws,@types/node}
  echo "$key" >"$1/node_modules/.installed"
}

# Makes a package or folder of the tests visible where Node looks for it.
link() {
  if [ "$(readlink "$2")" != "$1" ]; then
    rm -rf "$2"
    ln -s "$1" "$2"
  fi
}

command=install
if [ "${1:-}" = --lock ]; then
  command=lock
  shift
fi
# Side by side: `test` compiles a driver of SQLite, for minutes and on one core.
jobs=()
for folder in "$@"; do
  "$command" "$folder" &
  jobs+=($!)
done
for job in "${jobs[@]}"; do
  wait "$job"
done
if [ -d node_modules ] && [ -d test/node_modules ]; then
  link ../.. test/node_modules/holdfast
  link ../../client test/node_modules/holdfast-client
  link ../test/node_modules examples/node_modules
  # TypeORM looks for its drivers beside itself.
  link ../test/node_modules/better-sqlite3 node_modules/better-sqlite3
fi
