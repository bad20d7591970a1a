#!/bin/sh
# settings.sh ADDRESS: points st2 and Mistral at the deployment's databases, as an operator does after the installation.
# The environment brings ST2_PASSWORD and MISTRAL_PASSWORD.
set -eu
here=$(dirname "$0")
address=$1

python3 "$here/settings.py" /etc/st2/st2.conf database \
  host="$address" port=5432 db_name=st2 username=st2 password="$ST2_PASSWORD"
# The lab has no RabbitMQ. A real st2 would not run where nothing answers, so its configuration names what does.
python3 "$here/settings.py" /etc/st2/st2.conf messaging url="amqp://guest:guest@$address:5432/"
[ -e /etc/mistral/mistral.conf ] || exit 0 # from 3.3 on
quoted=$(printf %s "$MISTRAL_PASSWORD" | python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.stdin.read(), safe=""))')
python3 "$here/settings.py" /etc/mistral/mistral.conf database \
  connection="postgresql://mistral:$quoted@$address/mistral"

# Spares each of Mistral's processes the import of a DNS library, and so a reset of the fleet some seconds.
environment=/etc/default/mistral
[ ! -d /etc/sysconfig ] || environment=/etc/sysconfig/mistral
echo EVENTLET_NO_GREENDNS=yes >> "$environment"
