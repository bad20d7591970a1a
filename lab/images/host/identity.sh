#!/bin/sh
# identity.sh debian-8 | ubuntu-16.04 | centos-7: what this host says it is, word for word as the real one says it.
# On a real Ubuntu or RHEL-like base the identity is left as it is.
set -eu

debian_8() {
  cat > /usr/lib/os-release <<'E'
PRETTY_NAME="Debian GNU/Linux 8 (jessie)"
NAME="Debian GNU/Linux"
VERSION_ID="8"
VERSION="8 (jessie)"
ID=debian
HOME_URL="http://www.debian.org/"
SUPPORT_URL="http://www.debian.org/support"
BUG_REPORT_URL="https://bugs.debian.org/"
E
  echo 8.11 > /etc/debian_version
  rm -f /etc/lsb-release
}

ubuntu_16_04() {
  cat > /usr/lib/os-release <<'E'
NAME="Ubuntu"
VERSION="16.04.7 LTS (Xenial Xerus)"
ID=ubuntu
ID_LIKE=debian
PRETTY_NAME="Ubuntu 16.04.7 LTS"
VERSION_ID="16.04"
HOME_URL="http://www.ubuntu.com/"
SUPPORT_URL="http://help.ubuntu.com/"
BUG_REPORT_URL="http://bugs.launchpad.net/ubuntu/"
VERSION_CODENAME=xenial
UBUNTU_CODENAME=xenial
E
  echo stretch/sid > /etc/debian_version
  cat > /etc/lsb-release <<'E'
DISTRIB_ID=Ubuntu
DISTRIB_RELEASE=16.04
DISTRIB_CODENAME=xenial
DISTRIB_DESCRIPTION="Ubuntu 16.04.7 LTS"
E
}

case $1 in
  debian-8 | ubuntu-16.04)
    [ "$(dpkg-divert --truename /usr/lib/os-release)" != /usr/lib/os-release ] || exit 0
    if [ "$1" = debian-8 ]; then debian_8; else ubuntu_16_04; fi
    ln -sf ../usr/lib/os-release /etc/os-release
    ;;
  centos-7) ;; # written once, by the release package that yum.sh makes
  *) echo "identity.sh: unknown identity $1" >&2; exit 2 ;;
esac
