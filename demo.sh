#!/bin/bash
# The main job on a lab fleet: four machines at 2.0.1, two of each family, upgraded to 2.2.1. The lab stays up.
set -euo pipefail
cd "$(dirname "$0")"
invoke=.venv/bin/invoke

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() {
  say "$*"
  "$@"
}

run $invoke lab.up --release 2.0.1
run $invoke status --hosts lab
run $invoke upgrade --hosts lab --yes
say "once more: there is nothing to do"
run $invoke upgrade --hosts lab --yes
cat <<'END'

The lab is still up. Try:
  .venv/bin/invoke status --hosts lab
  .venv/bin/invoke mistral.status --hosts pair
  .venv/bin/invoke lab.up --release 1.4.0 && .venv/bin/invoke upgrade --hosts pair
  .venv/bin/invoke lab.down
END
