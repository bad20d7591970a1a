#!/bin/sh
# Both families: who may log in, PostgreSQL's settings, and no units that have no meaning in a container.
set -eu
here=$(dirname "$0")

sh "$here/login.sh"
install -m 755 "$here/lab-init" /usr/local/sbin/
for tool in mongodump mongorestore; do install -m 755 "$here/mongo-tools" /usr/bin/$tool; done
if [ -e /lib/systemd/system/ssh.service ]; then sshd=ssh; else sshd=sshd; fi
mkdir -p /etc/systemd/system/$sshd.service.d
cat > /etc/systemd/system/$sshd.service.d/lab.conf <<'C'
[Service]
ExecStartPre=
ExecStartPre=/usr/local/sbin/lab-ssh-keys
ExecStartPre=/usr/sbin/sshd -t
C
systemctl disable ssh.socket 2>/dev/null || :  # newer Ubuntu would start sshd by socket
systemctl enable $sshd.service

# A host with databases makes a cluster of its own: one that came with the image would have the same identity everywhere.
if command -v pg_lsclusters >/dev/null; then
  pg_lsclusters -h | while read -r version name _; do pg_dropcluster "$version" "$name"; done
fi
systemctl disable postgresql.service
# At boot the databases come first, whatever the units of the packages say.
clients='st2actionrunner st2api st2stream st2auth st2garbagecollector st2notifier st2resultstracker st2rulesengine
  st2sensorcontainer st2chatops mistral mistral-api mistral-server'
for unit in postgresql.service postgresql@.service; do
  mkdir -p "/etc/systemd/system/$unit.d"
  for client in $clients; do printf '[Unit]\nBefore=%s.service\n' "$client"; done > "/etc/systemd/system/$unit.d/lab.conf"
done

# The two password watches would cost two of the kernel's 128 inotify instances a host.
for unit in systemd-ask-password-wall.path systemd-ask-password-console.path \
  systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket \
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
  dev-hugepages.mount dev-mqueue.mount getty.target console-getty.service systemd-logind.service \
  systemd-remount-fs.service systemd-timesyncd.service systemd-networkd.service systemd-resolved.service \
  systemd-firstboot.service systemd-modules-load.service systemd-sysctl.service systemd-binfmt.service \
  systemd-update-utmp.service systemd-update-utmp-runlevel.service \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
  systemd-tmpfiles-clean.timer dnf-makecache.timer motd-news.timer; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done
ln -sf /lib/systemd/system/multi-user.target /etc/systemd/system/default.target
mkdir -p /etc/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=8M\n' > /etc/systemd/journald.conf.d/lab.conf
rm -f /etc/machine-id
touch /etc/machine-id
