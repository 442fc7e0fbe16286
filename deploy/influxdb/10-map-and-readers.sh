#!/bin/bash
# Runs once, when InfluxDB sets itself up: InfluxQL finds the bucket as a database, and Grafana gets an account that can only read.
set -eu

bucket=$DOCKER_INFLUXDB_INIT_BUCKET
influx v1 dbrp create --db "$bucket" --rp autogen --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID" --default
influx v1 auth create --username grafana --password "$(cat /secrets/grafana-password)" --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID"
