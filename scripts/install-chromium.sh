#!/usr/bin/env bash
# Installs the Chromium that the browser tests drive. A machine without one is told what it does not test; CI fails.
set -euo pipefail

if command -v chromium >/dev/null; then
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo -n)
fi

install_chromium() {
  "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends chromium fonts-dejavu-core
}

if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
  # Once more, as mirrors fail at times.
  if install_chromium || install_chromium; then
    exit 0
  fi
  reason='apt-get could not install it (see above)'
else
  reason='it takes apt-get, and root or a sudo without a password'
fi

cat >&2 <<MESSAGE

  *** Chromium is not there: $reason.
  *** NOT TESTED without it: the chat page (public/) and the promises of test/browser.
  *** Install it by hand so that the command "chromium" is found, then run the tests again.

MESSAGE

if [ "${CI:-}" = true ]; then
  exit 1
fi
