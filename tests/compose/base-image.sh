#!/usr/bin/env bash
# Makes the local image that the tests build on. As root with debootstrap it needs no registry, and the bootstrapped system is
# kept in the cache, so that only the first run takes a minute; otherwise upstream's image is pulled and takes its name.
set -euo pipefail

IMAGE=${1:-ampherd-test/python:bookworm}
UPSTREAM=python:3.11-slim-bookworm
DOCKER=${DOCKER:-docker}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/ampherd
TARBALL=$CACHE/bookworm-python3.tar
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt

bootstrap() {
  local root
  root=$(mktemp -d "$CACHE/bookworm.XXXXXX")
  trap 'rm -rf "$root"' RETURN
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" >"$CACHE/debootstrap.log" 2>&1 \
    || { tail -20 "$CACHE/debootstrap.log" >&2; return 1; }
  # A machine may reach the package index through certificates of its own.
  cp "$CERTIFICATES" "$root$CERTIFICATES"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar -C "$root" -c . >"$TARBALL.part"
  mv "$TARBALL.part" "$TARBALL"
}

import_tarball() {
  "$DOCKER" import \
    --change "ENV PIP_CERT=$CERTIFICATES SSL_CERT_FILE=$CERTIFICATES PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    "$TARBALL" "$IMAGE" >/dev/null
}

mkdir -p "$CACHE"
exec 9>"$CACHE/base-image.lock"
flock 9
"$DOCKER" image inspect "$IMAGE" >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null; then
  [ -s "$TARBALL" ] || bootstrap
  import_tarball
else
  "$DOCKER" pull --quiet "$UPSTREAM" >/dev/null
  "$DOCKER" tag "$UPSTREAM" "$IMAGE"
fi
