#!/bin/bash
# engine.sh up|down|status: a Docker engine for the lab on Debian or Ubuntu.
#   up      uses the engine that answers; else installs what is missing (says what) and starts dockerd
#   down    stops dockerd if this script started it, and nothing else
#   status  "up" and exit 0, or "down" and exit 1
# Exit codes: 3 only root (or a package manager other than apt) could go on, 4 the engine did not answer, 5 it did not stop.
set -euo pipefail

state=${STORMLIFT_ENGINE_DIR:-/var/lib/stormlift-engine}
log=$state/dockerd.log
pidfile=$state/dockerd.pid
# Without the userland proxy a published port refuses, resets and times out exactly as the host behind it does.
read -r -a dockerd_args <<<"${STORMLIFT_DOCKERD_ARGS:---userland-proxy=false}"

say() { echo "engine: $*"; }
fail() { local code=$1; shift; echo "engine: $*" >&2; exit "$code"; }

# Bounded: a half-dead engine must not hang a build.
answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# A zombie is not alive, and a reused pid is not dockerd: read the process's own name and state.
alive() { [ -s "$pidfile" ] && grep -qs '^[0-9]* (dockerd) [^ZX]' "/proc/$(cat "$pidfile")/stat"; }

has_compose() { docker compose version >/dev/null 2>&1 || docker-compose version >/dev/null 2>&1; }

available() { apt-cache show "$1" >/dev/null 2>&1; }

install_packages() {
  [ "$(id -u)" = 0 ] || fail 3 "missing: $*; run this as root, or install them"
  command -v apt-get >/dev/null || fail 3 "missing: $*; without apt-get they have to be installed by hand"
  say "installing with apt: $*"
  DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$@" </dev/null >>"$state/apt.log" 2>&1 \
    || { tail -20 "$state/apt.log" >&2; fail 3 "apt-get could not install $* (whole log: $state/apt.log)"; }
  hash -r
}

refresh_apt() {
  command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 0
  # A third party's repository that is down on this machine is no reason to stop here.
  apt-get update -q </dev/null >>"$state/apt.log" 2>&1 || say "apt-get update failed, going on with the package lists that are there"
}

# What the lab needs beside the engine, by the name of the package that brings it.
lacking() {
  command -v mmdebstrap >/dev/null || echo mmdebstrap
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring  # Ubuntu has none
  command -v ssh-keygen >/dev/null || echo openssh-client
}

# By its name alone: docker-compose 1.29 takes half a second to tell its version, and this runs before every reset.
complete() { answers && { command -v docker-compose >/dev/null || has_compose; } && [ -z "$(lacking)" ]; }

install_missing() {
  local need
  mapfile -t need < <(lacking)
  answers || command -v dockerd >/dev/null || need+=(docker.io)
  if [ ${#need[@]} -gt 0 ] || ! command -v docker >/dev/null || ! has_compose; then
    refresh_apt
    [ ${#need[@]} -eq 0 ] || install_packages "${need[@]}"
  fi
  # Releases differ: the client is inside docker.io or a package of its own, compose is version 1 or 2.
  if ! command -v docker >/dev/null; then install_packages docker-cli; fi
  if ! has_compose; then
    if available docker-compose-v2; then install_packages docker-compose-v2; else install_packages docker-compose; fi
  fi
}

start_dockerd() {
  # A stale pidfile, or that of a process which is just ending, makes dockerd refuse to start.
  rm -f "$pidfile"
  # Own session, none of our descriptors: the caller's pipe must close when the caller is done.
  setsid dockerd --pidfile "$pidfile" "${dockerd_args[@]}" </dev/null >>"$log" 2>&1 9>&- &
}

wait_for_answer() {
  local deadline=$((SECONDS + 20)) started=$SECONDS
  until answers; do
    [ $SECONDS -lt $deadline ] || return 1
    # It ended by itself: no use in waiting any longer.
    [ $((SECONDS - started)) -lt 2 ] || alive || return 1
    sleep 0.2
  done
}

up() {
  if complete; then say "answers, version $(docker version --format '{{.Server.Version}}')"; return 0; fi
  mkdir -p "$state" 2>/dev/null || fail 3 "cannot write $state; run this as root"
  exec 9>"$state/lock"
  flock 9
  install_missing
  if answers; then say "answers, version $(docker version --format '{{.Server.Version}}')"; return 0; fi
  [ "$(id -u)" = 0 ] || fail 3 "none answers and only root can start one"
  if [ -d /run/systemd/system ] && systemctl cat docker.service >/dev/null 2>&1; then
    systemctl start docker && wait_for_answer && { say "started docker.service"; return 0; }
    fail 4 "docker.service does not answer: journalctl -u docker"
  fi
  local try
  for try in 1 2 3; do
    alive || start_dockerd
    if wait_for_answer; then say "started dockerd, pid $(cat "$pidfile"), log $log"; return 0; fi
    say "no answer (try $try of 3)"
  done
  tail -20 "$log" >&2
  fail 4 "dockerd does not answer; above is the end of $log"
}

down() {
  alive || { say "none that was started here"; return 0; }
  local pid deadline=$((SECONDS + 30))
  pid=$(cat "$pidfile")
  kill -TERM "$pid"
  while alive; do
    [ $SECONDS -lt $deadline ] || fail 5 "dockerd (pid $pid) is still there after 30 s"
    sleep 0.2
  done
  rm -f "$pidfile"
  say "down"
}

case "${1:-}" in
  up) up ;;
  down) down ;;
  status) if answers; then echo up; else echo down; exit 1; fi ;;
  *) echo "usage: $0 up|down|status" >&2; exit 2 ;;
esac
