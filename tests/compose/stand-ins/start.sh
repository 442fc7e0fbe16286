#!/bin/sh
# Both servers; the container ends when either does.
set -eu
influxd -config /etc/stand-in/influxdb.conf &
engine=$!
until curl -fsS -o /dev/null http://127.0.0.1:8087/ping; do kill -0 "$engine"; sleep 0.2; done
curl -fsS -o /dev/null -XPOST http://127.0.0.1:8087/query --data-urlencode "q=CREATE DATABASE ${DOCKER_INFLUXDB_INIT_BUCKET:-ampherd}"
nginx -c /etc/stand-in/nginx.conf &
front=$!
trap 'kill "$engine" "$front"' TERM INT
while kill -0 "$engine" 2>/dev/null && kill -0 "$front" 2>/dev/null; do sleep 1 & wait $!; done
kill "$engine" "$front" 2>/dev/null || true
wait
