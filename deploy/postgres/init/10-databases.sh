#!/bin/bash
# Runs once, on an empty server: one database and one role per service, which alone may connect to it.
# Ingest's vault of contact data is a database of its own, because its back-ups are kept for days only.
set -euo pipefail

for name in ingest ingest_vault profile recommend churn campaign; do
  password=$(cat "/run/secrets/${name}_database_password")
  psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -v name="$name" -v password="$password" \
    --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password' CONNECTION LIMIT 120;
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
