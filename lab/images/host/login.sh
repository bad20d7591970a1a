#!/bin/sh
# Every host: its users, who of them may use sudo, and sshd.
set -eu
here=$(dirname "$0")

user() { id "$1" >/dev/null 2>&1 || useradd -m -s /bin/bash "$1"; }
user deploy
user operator2
user nosudo
echo 'operator2:s3cret-sudo' | chpasswd
echo 'deploy:lab-sudo-pw' | chpasswd
echo 'deploy ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/10-deploy
echo 'operator2 ALL=(ALL) ALL' > /etc/sudoers.d/20-operator2
chmod 0440 /etc/sudoers.d/*

install -m 755 "$here/lab-ssh-keys" /usr/local/sbin/
cat > /etc/ssh/sshd_config.d/10-lab.conf <<'C'
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys .ssh/authorized_keys
PasswordAuthentication no
PermitRootLogin prohibit-password
UseDNS no
# The default drops parallel connects, which is no fault that this lab wants to make by accident.
MaxStartups 100
C
rm -f /etc/ssh/ssh_host_*
