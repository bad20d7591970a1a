#!/bin/sh
# sh -s SECONDS < ready.sh, in a host: waits until it has booted, each unit in /opt/lab/units is active and something
# listens on each port in /opt/lab/ports; says what is missing if not.
set -u
deadline=$(($(date +%s) + $1))
units=$(cat /opt/lab/units)
ports=$(cat /opt/lab/ports 2>/dev/null)

missing() {
  state=$(systemctl is-system-running 2>/dev/null)
  [ "$state" = running ] || { echo "system: ${state:-no answer}"; return; }
  # Its exit code is 0 as soon as one of them is active.
  # shellcheck disable=SC2086 # unit names, one word each
  systemctl is-active $units | grep -vx active | sed 's/^/a unit is /'
  listening=$(ss -Hltn)
  for port in $ports; do
    case $listening in *":$port "*) ;; *) echo "nothing listens on port $port" ;; esac
  done
}

while lacking=$(missing); [ -n "$lacking" ]; do
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "$lacking"
    systemctl list-units --all --no-legend --plain --state=failed,activating
    # shellcheck disable=SC2086
    systemctl status --no-pager --lines=5 $(systemctl list-units --no-legend --plain --state=failed | cut -d' ' -f1)
    exit 1
  fi
  sleep 0.2
done
