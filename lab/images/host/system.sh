#!/bin/sh
# What a host needs beyond a bare registry image. The base made by base.sh has all of it already.
# Only the branch that finds everything there has been run; the two others are for images from a registry.
set -eu
if [ -x /lib/systemd/systemd ] && command -v sshd psql git ip iptables python3 >/dev/null; then
  exit 0
elif command -v dnf >/dev/null; then
  dnf -y --setopt=install_weak_deps=False install systemd openssh-server sudo procps-ng iproute iptables-nft psmisc \
    curl git less python3 python3-psycopg2 python3-pyyaml postgresql-server python3-dnf-plugin-versionlock
  dnf clean all
else
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -yq --no-install-recommends systemd systemd-sysv dbus openssh-server sudo adduser procps iproute2 \
    iptables psmisc ca-certificates curl gnupg lsb-release git less python3 python3-psycopg2 python3-venv python3-yaml \
    postgresql
  rm -rf /var/lib/apt/lists/*
fi
