#!/bin/sh
# The 2.1 migration of runners (st2common/bin/migrations/v2.1). It believes the exit code of `st2ctl reload`.
if /usr/bin/st2ctl reload --register-runners --register-fail-on-failure; then
  echo "Registered runners successfully."
  exit 0
fi
echo "Failed registering runners."
exit 1
