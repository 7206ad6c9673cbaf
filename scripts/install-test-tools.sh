#!/usr/bin/env bash
# Installs what tests drive and npm does not bring: Chromium, Firefox and WebKitGTK, strace to see every fsync, Postgres,
# Redis. A machine that can't have them is told what it does not test; CI fails.
set -euo pipefail

missing=()
command -v chromium >/dev/null || missing+=(chromium fonts-dejavu-core)
command -v firefox-esr >/dev/null || missing+=(firefox-esr)
command -v WebKitWebDriver >/dev/null || missing+=(webkit2gtk-driver)
command -v xvfb-run >/dev/null || missing+=(xvfb xauth)
command -v strace >/dev/null || missing+=(strace)
command -v redis-server >/dev/null || missing+=(redis-server)
# Debian keeps the server out of the PATH, in a folder of its version.
if ! command -v initdb >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  missing+=(postgresql)
fi
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo -n)
fi

install_missing() {
  "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
  # Once more, as mirrors fail at times.
  if install_missing || install_missing; then
    exit 0
  fi
  reason='apt-get could not install them (see above)'
else
  reason='it takes apt-get, and root or a sudo without a password'
fi

cat >&2 <<MESSAGE

  *** Not there: ${missing[*]}. $reason.
  *** NOT TESTED without chromium: the chat page (public/) and the promises of test/browser.
  *** NOT TESTED without firefox-esr, webkit2gtk-driver and xvfb: the chat page and the client library in Firefox and
  *** WebKitGTK.
  *** NOT TESTED without strace: that a receipt comes after its fsync (test/crash/durability).
  *** FAILS without postgresql: that the store keeps its promises on Postgres (test/e2e/store, test/built/migrations).
  *** FAILS without redis-server: that nodes find each other over Redis (test/e2e/cluster).
  *** Install them by hand so that the commands are found, then run the tests again.

MESSAGE

if [ "${CI:-}" = true ]; then
  exit 1
fi
