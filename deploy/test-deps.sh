#!/usr/bin/env bash
# Installs the programs that some tests need and a machine may lack, on Debian as root. Its own servers are left off: the tests
# start what they need on ports of their own.
set -euo pipefail

PACKAGES=(mosquitto mosquitto-clients openssl redis-server influxdb nginx-light chromium docker.io docker-compose debootstrap iptables procps spin gcc libc6-dev libfaketime)

[ "$(id -u)" = 0 ] || { echo "test-deps installs packages of the system; run it as root" >&2; exit 1; }
command -v apt-get >/dev/null || { echo "test-deps knows Debian only; install by hand: ${PACKAGES[*]}" >&2; exit 1; }

missing() { for package in "$@"; do dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || echo "$package"; done; }

mapfile -t wanted < <(missing "${PACKAGES[@]}")
if [ "${#wanted[@]}" -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  # No package may start its server while it is installed; a policy that is there already stays.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get -o Acquire::Retries=3 update -q
  apt-get -o Acquire::Retries=3 install -qy --no-install-recommends "${wanted[@]}"
fi

if [ -f tests/external/package.json ]; then
  command -v npm >/dev/null || apt-get install -qy --no-install-recommends nodejs npm
  npm install --prefix tests/external --no-audit --no-fund --loglevel error
fi
