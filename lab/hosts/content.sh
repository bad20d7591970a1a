#!/bin/sh
# content.sh RELEASE: once per deployment, on its primary: Mistral's schema by its own program, the rows that a real
# Mistral of that day left, and the sample keys of the datastore. From 3.3 on there is no Mistral.
set -eu
here=$(dirname "$0")
release=$1
db_manage() { /opt/stackstorm/mistral/bin/mistral-db-manage --config-file /etc/mistral/mistral.conf "$@"; }

mistral() {
  db_manage upgrade head
  case $release in
    1.* | 2.0.* | 2.1.*)
      # Before anything else: populate and the services must find a database that was in use.
      url=$(sed -n 's/^connection *= *//p' /etc/mistral/mistral.conf)
      psql -Xq -1 -v ON_ERROR_STOP=1 -d "$url" -f "$here/mistral-rows.sql" >/dev/null
      ;;
  esac
  # It complains about every OpenStack client that is not installed, a thousand lines, and succeeds.
  db_manage populate 2>/tmp/populate.log || { tail -20 /tmp/populate.log >&2; exit 1; }
}

[ ! -d /opt/stackstorm/mistral ] || mistral
/opt/stackstorm/st2/bin/lab-store init
/opt/stackstorm/st2/bin/lab-store seed
