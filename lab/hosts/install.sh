#!/bin/sh
# install.sh apt|yum RELEASE PACKAGE...: one release's packages from the lab's repository, with the real package manager.
set -eu
family=$1 release=$2
shift 2

# The newest package revision of a release; an epoch in front of it is no part of the release.
apt_version() {
  apt-cache madison "$1" | awk -v release="$release-" '
    { version = $3; sub(/^[0-9]+:/, "", version) }
    index(version, release) == 1 { print $3; exit }'
}

install_apt() {
  wanted=
  for package; do
    version=$(apt_version "$package")
    [ -n "$version" ] || { echo "install.sh: no $package $release in the repository" >&2; exit 1; }
    wanted="$wanted $package=$version"
  done
  # shellcheck disable=SC2086 # names and versions, one word each
  DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends $wanted
}

install_yum() {
  for package; do
    shift
    set -- "$@" "$package-$release"
  done
  yum install -y "$@"
}

curl --silent --fail --output /dev/null --retry 30 --retry-delay 1 --retry-connrefused http://repo.lab/
case $family in
  apt) apt-get update -q -o APT::Update::Error-Mode=any; install_apt "$@" ;;
  yum) install_yum "$@" ;;
  *) echo "install.sh: unknown family $family" >&2; exit 2 ;;
esac
