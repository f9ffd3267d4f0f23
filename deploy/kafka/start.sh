#!/usr/bin/env bash
# Runs Apache Kafka (one KRaft node on 127.0.0.1) in the foreground, from its own jars.
#
#   start.sh          fetches the jars when pom.xml changed, then becomes the broker (the pid stays)
#   start.sh fetch    only fetches the jars
#
#   KAFKA_PORT              client port (9092)
#   KAFKA_CONTROLLER_PORT   controller port (KAFKA_PORT + 1)
#   KAFKA_DIR               records and the rendered configuration (./data beside this script)
#   KAFKA_HEAP              largest heap (512m)
#   KAFKA_JVM_EXTRA         more options for the JVM
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=${KAFKA_PORT:-9092}
controller_port=${KAFKA_CONTROLLER_PORT:-$((port + 1))}
dir=${KAFKA_DIR:-$here/data}

# The locks below hold while the descriptor is open, so also through exec. macOS has no flock.
lock() { if command -v flock > /dev/null; then flock "$@"; fi; }

fetch() (
  exec 8> "$here/.fetch.lock"
  lock 8
  cmp -s "$here/pom.xml" "$here/lib/.pom.xml" && exit 0
  rm -rf "$here/lib"
  mvn --batch-mode --quiet --no-transfer-progress --file "$here/pom.xml" dependency:copy-dependencies >&2
  cp "$here/pom.xml" "$here/lib/.pom.xml"
)

fetch
[ "${1:-}" = fetch ] && exit 0

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
# Two brokers on one folder corrupt its metadata before Kafka's own lock is taken.
exec 9> "$dir/lock"
lock -n 9 || { echo "kafka: $dir is in use by a running broker" >&2; exit 1; }

sed -e "s|@PORT@|$port|g" -e "s|@CONTROLLER_PORT@|$controller_port|g" -e "s|@DATA@|$dir/log|g" \
  "$here/server.properties" > "$dir/server.properties"

# shellcheck disable=SC2206 # KAFKA_JVM_EXTRA is a list of words
jvm=(java "-Xmx${KAFKA_HEAP:-512m}" -Xms128m ${KAFKA_JVM_EXTRA:-} -XX:+ExitOnOutOfMemoryError
  -Djava.awt.headless=true "-Dlog4j2.configurationFile=$here/log4j2.properties" -cp "$here/lib/*")

# Format once; a formatted folder keeps its cluster id and its records.
if [ ! -f "$dir/log/meta.properties" ]; then
  id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | cut -c 1-22)
  "${jvm[@]}" kafka.tools.StorageTool format --standalone -t "$id" -c "$dir/server.properties" >&2
fi
exec "${jvm[@]}" kafka.Kafka "$dir/server.properties"
