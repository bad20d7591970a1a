#!/bin/bash
# Make .venv from requirements-dev.txt; installs what Python lacks for it with apt, and says so.
set -euo pipefail
cd "$(dirname "$0")"

need=()
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || need+=(python3)
python3 -c 'import ensurepip, venv' 2>/dev/null || need+=(python3-venv)
command -v ssh-keygen >/dev/null || need+=(openssh-client)
# The program for hosts is tested under all three.
for shell in dash bash busybox; do command -v $shell >/dev/null || need+=($shell); done
if [ ${#need[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "setup: missing: ${need[*]}; install them, or run this as root on Debian or Ubuntu" >&2
    exit 2
  fi
  echo "setup: installing with apt: ${need[*]}"
  apt-get update -q </dev/null >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${need[@]}" </dev/null >/dev/null
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
  echo "setup: Python 3.10 or later is needed, python3 here is $(python3 --version)" >&2
  exit 2
}

mark=.venv/.made-from
wanted=$(cat requirements.txt requirements-dev.txt | sha256sum)
if [ -x .venv/bin/invoke ] && [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ]; then
  exit 0
fi
echo "setup: making .venv from requirements-dev.txt"
rm -rf .venv
python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
echo "$wanted" >"$mark"
