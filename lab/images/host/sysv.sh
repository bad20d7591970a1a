#!/bin/sh
# A host without systemd: System V init, and sshd as its one service.
set -eu
here=$(dirname "$0")
sh "$here/login.sh"

cat > /etc/inittab <<'T'
# No file system is mounted and no terminal waited at: the engine has made what this container needs.
id:2:initdefault:
l2:2:wait:/etc/init.d/rc 2
T
# By the order of their numbers alone: insserv's idea of the order knows nothing of ours.
rm -f /etc/rc[0-6S].d/[SK]* /etc/init.d/.depend.*
ln -s /usr/local/sbin/lab-ssh-keys /etc/rc2.d/S01lab-ssh-keys
ln -s ../init.d/ssh /etc/rc2.d/S02ssh
