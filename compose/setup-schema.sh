#!/bin/sh
# Creates Temporal's two databases and brings their schemas up to the version of these tools.
set -eu

run() {
  database=$1
  shift
  temporal-sql-tool --plugin "$SQL_PLUGIN" --ep "$SQL_HOST" -p "$SQL_PORT" -u "$SQL_USER" --db "$database" "$@"
}

for part in temporal visibility; do
  database=temporal
  [ "$part" = visibility ] && database=temporal_visibility
  run "$database" create
  run "$database" setup-schema -v 0.0
  run "$database" update-schema -d "/etc/temporal/schema/postgresql/v12/$part/versioned"
done
