#!/bin/sh
# services.sh PACKAGE...: enables and starts every unit of these packages, and notes them for ready.sh.
set -eu

files() { if command -v rpm >/dev/null; then rpm -ql "$@"; else dpkg -L "$@"; fi; }
units=$(files "$@" | sed -n 's#.*/systemd/system/\([^/@]*\.service\)$#\1#p' | sort -u)

systemctl daemon-reload
# shellcheck disable=SC2086 # unit names, one word each
systemctl enable --quiet $units
# shellcheck disable=SC2086
systemctl start $units
for unit in $units; do
  echo "$unit" >> /opt/lab/units
  case $unit in
    mistral-api.service) echo 8989 ;;
    st2auth.service) echo 9100 ;;
    st2api.service) echo 9101 ;;
    st2stream.service) echo 9102 ;;
  esac >> /opt/lab/ports
done
