#!/bin/sh
# identity.sh debian-8 | ubuntu-16.04 | ubuntu-18.04 | ubuntu-20.04 | centos-7 | rocky-8: what this host says it is, word for
# word as the real one says it; the rpm database stays that of CentOS 7.
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

# VERSION, its name in words, and its code name.
ubuntu() {
  cat > /usr/lib/os-release <<E
NAME="Ubuntu"
VERSION="$1 LTS ($2)"
ID=ubuntu
ID_LIKE=debian
PRETTY_NAME="Ubuntu $1 LTS"
VERSION_ID="${1%.*}"
HOME_URL="https://www.ubuntu.com/"
SUPPORT_URL="https://help.ubuntu.com/"
BUG_REPORT_URL="https://bugs.launchpad.net/ubuntu/"
VERSION_CODENAME=$3
UBUNTU_CODENAME=$3
E
  echo "$4/sid" > /etc/debian_version
  cat > /etc/lsb-release <<E
DISTRIB_ID=Ubuntu
DISTRIB_RELEASE=${1%.*}
DISTRIB_CODENAME=$3
DISTRIB_DESCRIPTION="Ubuntu $1 LTS"
E
}

rocky_8() {
  cat > /usr/lib/os-release <<'E'
NAME="Rocky Linux"
VERSION="8.10 (Green Obsidian)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="8.10"
PLATFORM_ID="platform:el8"
PRETTY_NAME="Rocky Linux 8.10 (Green Obsidian)"
ANSI_COLOR="0;32"
CPE_NAME="cpe:/o:rocky:rocky:8:GA"
HOME_URL="https://rockylinux.org/"
BUG_REPORT_URL="https://bugs.rockylinux.org/"
E
  rm -f /etc/centos-release
  echo 'Rocky Linux release 8.10 (Green Obsidian)' > /etc/rocky-release
  ln -sf rocky-release /etc/redhat-release
  ln -sf rocky-release /etc/system-release
}

case $1 in
  debian-8 | ubuntu-*)
    [ "$(dpkg-divert --truename /usr/lib/os-release)" != /usr/lib/os-release ] || exit 0
    case $1 in
      debian-8) debian_8 ;;
      ubuntu-16.04) ubuntu 16.04.7 "Xenial Xerus" xenial stretch ;;
      ubuntu-18.04) ubuntu 18.04.6 "Bionic Beaver" bionic buster ;;
      ubuntu-20.04) ubuntu 20.04.6 "Focal Fossa" focal bullseye ;;
      *) echo "identity.sh: unknown identity $1" >&2; exit 2 ;;
    esac
    ln -sf ../usr/lib/os-release /etc/os-release
    ;;
  centos-7) ;; # written once, by the release package that yum.sh makes
  rocky-8) [ ! -e /etc/centos-release ] || rocky_8 ;;
  *) echo "identity.sh: unknown identity $1" >&2; exit 2 ;;
esac
