#!/bin/sh
# runners.sh start|stop: one st2actionrunner@N for each of the workers (st2actions/bin/runners.sh).
units=
n=1
# The real default is 10; two are enough to show that one unit is many processes.
while [ "$n" -le "${WORKERS:-2}" ]; do
  units="$units st2actionrunner@$n"
  n=$((n + 1))
done
# shellcheck disable=SC2086
exec systemctl "${1:?start or stop}" $units
