#!/bin/sh
# The yum family: no package source but the lab's own. On the Debian base also: real rpm and dnf (as yum, the only
# name that an el7 knows), set up as on CentOS 7, and Debian's own package tools gone.
set -eu
here=$(dirname "$0")

rpm_like_centos() {
  # Debian's rpm would keep its database in each user's home.
  mkdir -p /etc/rpm /var/lib/rpm /etc/sysconfig /etc/yum/vars
  cat > /etc/rpm/macros <<'E'
%_dbpath /var/lib/rpm
%dist .el7
%rhel 7
%_unitdir /usr/lib/systemd/system
E
  rm -rf /root/.rpmdb
  rpm --initdb
}

yum_like_centos() {
  cat > /etc/dnf/dnf.conf <<'E'
[main]
gpgcheck=1
installonly_limit=5
clean_requirements_on_remove=True
best=True
skip_if_unavailable=False
E
  rm -f /etc/dnf/plugins/local.conf  # asks for a repository that is nowhere
  ln -sf ../dnf/dnf.conf /etc/yum.conf
  ln -sf dnf-3 /usr/bin/yum
  rm -f /usr/bin/dnf
}

# The rpm database starts empty: packages that stand for the base system satisfy dependencies and answer rpm -q.
base_system() {
  top=$(mktemp -d)
  rpmbuild -bb --quiet --define "_topdir $top" --define "_dbpath $top/db" --define "_rpmdir $top/rpms" \
    --define '_build_name_fmt %%{NAME}.rpm' --define '__os_install_post %{nil}' "$here/base-system.spec"
  rm -f /etc/os-release /usr/lib/os-release
  rpm -i --nodeps --replacefiles "$top"/rpms/*.rpm
  rm -rf "$top"
}

no_debian_tools() {
  ln -sf useradd /usr/sbin/adduser  # Debian's is a script for people, el7's is this link
  ln -sf groupadd /usr/sbin/addgroup
  groupadd -f wheel
  rm -rf /usr/bin/apt* /usr/lib/apt /etc/apt /var/lib/apt /var/cache/apt /var/log/apt \
    /usr/bin/dpkg* /usr/sbin/dpkg* /usr/lib/dpkg /usr/share/dpkg /etc/dpkg /var/lib/dpkg /var/log/dpkg.log \
    /usr/bin/debconf* /usr/sbin/dpkg-preconfigure /var/cache/debconf /etc/debconf.conf \
    /usr/bin/deb-systemd* /usr/bin/lsb_release /etc/debian_version /etc/lsb-release
}

if [ -e /etc/debian_version ]; then
  rpm_like_centos
  yum_like_centos
  base_system
  no_debian_tools
fi
rm -f /etc/yum.repos.d/*
mkdir -p /etc/yum.repos.d
cat > /etc/yum.repos.d/StackStorm_stable.repo <<'E'
[StackStorm_stable]
name=StackStorm_stable
baseurl=http://repo.lab/yum
enabled=1
gpgcheck=0
repo_gpgcheck=0
metadata_expire=1
timeout=10
retries=1
E
