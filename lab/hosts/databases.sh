#!/bin/sh
# databases.sh local|network: enables PostgreSQL here and makes the roles and databases of one deployment.
# The environment brings ST2_PASSWORD and MISTRAL_PASSWORD.
set -eu

here=$(dirname "$0")

if command -v pg_createcluster >/dev/null; then
  version=$(ls /usr/lib/postgresql)
  pg_createcluster --locale C.UTF-8 "$version" main -- --no-sync >/dev/null
  settings=/etc/postgresql/$version/main/conf.d/lab.conf
  access=/etc/postgresql/$version/main/pg_hba.conf
else
  su postgres -c 'initdb --no-sync -D /var/lib/pgsql/data --auth-local=peer --auth-host=scram-sha-256' >/dev/null
  settings=/var/lib/pgsql/data/postgresql.conf
  access=/var/lib/pgsql/data/pg_hba.conf
fi
cat "$here/postgresql.conf" >> "$settings"
if [ "$1" = network ]; then
  echo "listen_addresses = '*'" >> "$settings"
  echo 'host all all samenet scram-sha-256' >> "$access"
fi

systemctl enable --quiet postgresql.service
systemctl start postgresql.service
tries=60
until su postgres -c 'psql -XAtqc "select 1"' >/dev/null 2>&1; do
  tries=$((tries - 1))
  [ $tries -gt 0 ] || { echo 'databases.sh: PostgreSQL does not answer after 30 s' >&2; exit 1; }
  sleep 0.5
done

echo postgresql.service >> /opt/lab/units

# mistral may make databases, as the role of StackStorm's installer may; st2 may, as MongoDB makes one when it is written to.
su postgres -c 'psql -Xq -v ON_ERROR_STOP=1' <<SQL
CREATE ROLE st2 LOGIN CREATEDB PASSWORD '$ST2_PASSWORD';
CREATE DATABASE st2 OWNER st2;
CREATE ROLE mistral LOGIN CREATEDB PASSWORD '$MISTRAL_PASSWORD';
CREATE DATABASE mistral OWNER mistral;
SQL
