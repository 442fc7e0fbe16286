#!/bin/sh
# run.sh CONFIGURATION FILE...: runs the broker, and has it read its files again whenever one of them changes.
set -u
configuration=$1
shift

mosquitto -c "$configuration" &
broker=$!
trap 'kill -TERM $broker' TERM INT

seen=$(cat "$@" | cksum)
while kill -0 $broker 2>/dev/null; do
  sleep 1 &
  wait $!
  now=$(cat "$@" | cksum)
  if [ "$now" != "$seen" ]; then
    seen=$now
    kill -HUP $broker
  fi
done
wait $broker
