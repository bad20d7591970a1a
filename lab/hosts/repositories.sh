#!/bin/sh
# repositories.sh apt|yum [NAME...]: sets up other people's repositories, as an operator does by hand: node6, node10, node14 or
# node20, which takes the place of the one before, and python36. The package manager's lists are read anew, as their makers'
# own scripts do.
set -eu
family=$1
shift

for name; do
  file=nodesource
  [ "${name#node}" != "$name" ] || file=$name
  case $family in
    apt) echo "deb [trusted=yes] http://repo.lab/apt-$name ./" > "/etc/apt/sources.list.d/$file.list" ;;
    yum)
      cat > "/etc/yum.repos.d/$file.repo" <<E
[$file]
name=$file
baseurl=http://repo.lab/yum-$name
enabled=1
gpgcheck=0
repo_gpgcheck=0
metadata_expire=1
timeout=10
retries=1
E
      ;;
    *) echo "repositories.sh: unknown family $family" >&2; exit 2 ;;
  esac
done

curl --silent --fail --output /dev/null --retry 30 --retry-delay 1 --retry-connrefused http://repo.lab/
if [ "$family" = apt ]; then apt-get update -q -o APT::Update::Error-Mode=any; else yum makecache -q; fi
