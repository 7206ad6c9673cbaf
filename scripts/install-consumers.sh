#!/usr/bin/env bash
# Packs Holdfast, its client and its server package, and installs the tarballs into the applications of test/consumers,
# as their tests may not ask a registry. What is there already is left alone. With --lock it writes their lock files anew.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
consumers=(nest-12-express nest-11-commonjs starter client-in-browser client-in-node server)
packed=$root/test/consumers/.packed

mkdir -p "$packed"
pack() {
  local tarball
  # The scripts of the package are for who publishes: dist/ is built.
  tarball=$(npm pack "$1" --silent --ignore-scripts --pack-destination "$packed")
  mv "$packed/$tarball" "$packed/$2.tgz"
}
pack . holdfast
pack ./client holdfast-client
pack ./server holdfast-server

# What is compiled once for this machine is not compiled again for every application.
lend_driver() {
  local driver=$1 own=node_modules/$1
  [ -d "$own" ] || return 0
  local version lent
  version=$(node -p "require('./$own/package.json').version")
  lent=$(node -p "require('$root/$own/package.json').version")
  if [ "$version" != "$lent" ]; then
    echo "test/consumers/$2 has $driver $version, and $lent is compiled here: run npm run consumers:lock" >&2
    return 1
  fi
  mkdir -p "$own/build/Release"
  cp "$root/$own"/build/Release/*.node "$own/build/Release/"
}

# What `nest new` makes, with the lines of the README.
generate_starter() {
  rm -rf .generated src tsconfig.json tsconfig.build.json nest-cli.json vitest.config.e2e.ts
  node "$root/node_modules/@nestjs/cli/bin/nest.js" new starter --directory .generated \
    --skip-install --skip-git --no-observe -p npm >install.log </dev/null
  cp -r .generated/{src,tsconfig.json,tsconfig.build.json,nest-cli.json,vitest.config.e2e.ts} .
  sed -i -e "1i import { ChatModule } from 'holdfast';" -e 's/imports: \[\]/imports: [ChatModule.forRoot()]/' src/app.module.ts
  sed -i -e "1i import { ChatWsAdapter } from 'holdfast';" \
    -e 's/^  await app.listen.*/  app.useWebSocketAdapter(new ChatWsAdapter(app));\n  app.enableShutdownHooks([], { useProcessExit: true });\n&\n  console.log(`listening on ${await app.getUrl()}`);/' src/main.ts
}

install_packages() {
  npm install --no-save --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error "$@"
}

install() {
  cd "$root/test/consumers/$1"
  if [ "${2:-}" = --lock ]; then
    # What is installed would be kept, also where it does not fit any more.
    rm -rf package-lock.json node_modules
    install_packages --save --package-lock-only
    # The tarball is another one after every change of the source.
    node -e "
      const { readFileSync, writeFileSync } = require('node:fs');
      const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
      for (const [path, { resolved }] of Object.entries(lock.packages))
        if (resolved?.startsWith('file:')) delete lock.packages[path].integrity;
      writeFileSync('package-lock.json', JSON.stringify(lock, null, 2) + '\n');"
  fi
  local key
  key=$(cat package.json package-lock.json "$packed"/*.tgz "$root/scripts/install-consumers.sh" | sha256sum)
  if [ "$(cat node_modules/.installed 2>/dev/null)" = "$key" ]; then
    return 0
  fi
  # It would take the tarballs of the last time for these.
  rm -rf node_modules/holdfast{,-client,-server} node_modules/.package-lock.json node_modules/.installed
  # Not `npm ci`, which wants the binaries of every platform in the lock file. Once more, as registries fail at times.
  install_packages --prefer-offline || install_packages
  lend_driver better-sqlite3 "$1"
  lend_driver sqlite3 "$1"
  if [ "$1" = starter ]; then
    generate_starter
  fi
  echo "$key" >node_modules/.installed
}

# Side by side: npm uses one core and waits for the registry.
jobs=()
for consumer in "${consumers[@]}"; do
  (install "$consumer" "${1:-}") &
  jobs+=($!)
done
for job in "${jobs[@]}"; do
  wait "$job"
done
