#!/bin/sh
# sh -s SECONDS < ready.sh, in a host: waits until it has booted, each unit in /opt/lab/units is active and each port in
# /opt/lab/ports answers HTTP; says what is missing if not. An API that is stopped before its worker is up takes 30 s and
# more to stop, so a host that merely listens is not ready. A host of System V init has nothing but sshd.
set -u
deadline=$(($(date +%s) + $1))
units=$(cat /opt/lab/units 2>/dev/null)
ports=$(cat /opt/lab/ports 2>/dev/null)

# The first thing that is missing. Each question waits for its answer rather than to be asked again and again: five
# hosts that poll while they boot would take a good part of two cores.
missing() {
  if [ -e /etc/inittab ]; then
    service ssh status >/dev/null || echo "sshd does not run"
    return
  fi
  state=$(timeout "$1" systemctl is-system-running --wait 2>/dev/null)
  [ "$state" = running ] || { echo "system: ${state:-no answer}"; return; }
  # Its exit code is 0 as soon as one of them is active.
  # shellcheck disable=SC2086 # unit names, one word each
  systemctl is-active $units | grep -vx active | sed 's/^/a unit is /'
  for port in $ports; do
    curl --silent --max-time 5 --output /dev/null "http://127.0.0.1:$port/" || { echo "no answer on port $port"; return; }
  done
}

# A Mistral that comes up before its database does ends, and its units have no Restart=: when a whole rack boots at once
# somebody has to start it again.
start_again() {
  failed=$(systemctl list-units --no-legend --plain --state=failed 'mistral*' 2>/dev/null | cut -d' ' -f1)
  # shellcheck disable=SC2086
  [ -z "$failed" ] || systemctl restart $failed
}

while lacking=$(missing "$1"); [ -n "$lacking" ]; do
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "$lacking"
    systemctl list-units --all --no-legend --plain --state=failed,activating
    # shellcheck disable=SC2086
    systemctl status --no-pager --lines=5 $(systemctl list-units --no-legend --plain --state=failed | cut -d' ' -f1)
    exit 1
  fi
  start_again
  sleep 0.3
done
