#!/usr/bin/env bash
# engine.sh start|stop: a Docker engine for the tests. Starts one only when none answers, and stops only what it started.
set -euo pipefail

STATE=${XDG_CACHE_HOME:-$HOME/.cache}/ampherd
PID_FILE=$STATE/dockerd.pid
LOG=$STATE/dockerd.log
STARTS_WITHIN_S=30

answers() { timeout 10 docker info >/dev/null 2>&1; }

# The arguments, not the program's name: until it has started, that is still its starter's.
is_ours() { [ -s "$PID_FILE" ] && ps -o args= -p "$(cat "$PID_FILE")" 2>/dev/null | grep -qw dockerd; }

start() {
  answers && return 0
  mkdir -p "$STATE"
  # An engine that died leaves its id behind, and refuses to start beside it.
  is_ours || rm -f "$PID_FILE"
  if [ -s /var/run/docker.pid ] && ! kill -0 "$(cat /var/run/docker.pid)" 2>/dev/null; then rm -f /var/run/docker.pid; fi
  # The engine is no process of a test: it must not carry a test's mark, nor hold its output open.
  env -u AMPHERD_TEST_RUN setsid dockerd >"$LOG" 2>&1 </dev/null &
  echo $! >"$PID_FILE"
  for _ in $(seq $((STARTS_WITHIN_S * 5))); do
    answers && return 0
    is_ours || break
    sleep 0.2
  done
  echo "no Docker engine: dockerd did not start; the end of $LOG:" >&2
  tail -15 "$LOG" >&2
  stop
  return 1
}

stop() {
  is_ours || return 0
  local pid
  pid=$(cat "$PID_FILE")
  kill "$pid"
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || { rm -f "$PID_FILE"; return 0; }
    sleep 0.2
  done
  echo "dockerd (process $pid) does not end" >&2
  return 1
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  *) echo "usage: engine.sh start|stop" >&2; exit 64 ;;
esac
