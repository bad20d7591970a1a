#!/bin/bash
# base.sh TAG: the image that all lab images build on where no image registry is in reach, made from Debian 12's own
# packages.
set -euo pipefail

tag=$1
packages=(
  systemd systemd-sysv dbus openssh-server sudo adduser procps iproute2 iptables psmisc
  ca-certificates curl gnupg lsb-release git less
  python3 python3-psycopg2 python3-venv python3-yaml postgresql
)
options=(
  --quiet --variant=minbase --include="$(IFS=,; echo "${packages[*]}")"
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"'
  --dpkgopt=force-unsafe-io
)
for dir in locale doc man i18n info; do options+=("--dpkgopt=path-exclude=/usr/share/$dir/*"); done

log=$(mktemp)
trap 'rm -f "$log"' EXIT
mmdebstrap "${options[@]}" bookworm - 2>"$log" \
  | docker import -c 'CMD ["/bin/bash"]' -c 'LABEL stormlift.lab=1' - "$tag" >/dev/null \
  || { tail -30 "$log" >&2; echo "base: mmdebstrap could not make $tag" >&2; exit 1; }
