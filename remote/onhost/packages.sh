# What the package manager says.

# The version of an installed package, "" when it is not there; two lines when a killed rpm transaction left two.
version_of() {
  if have dpkg-query; then
    dpkg-query -W -f '${db:Status-Abbrev} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^[a-z]i  *//p'
  else
    rpm -q --qf '%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' "$1" 2>/dev/null | grep -v 'not installed' | sed 's/^0://'
  fi
}

# installed NAME=VERSION...: all are there, whole, at just these versions.
installed() {
  _wrong=0
  for _pair in "$@"; do
    _there=$(version_of "${_pair%%=*}")
    if [ "$_there" != "${_pair#*=}" ]; then
      printf '%s is %s, not %s\n' "${_pair%%=*}" "${_there:-not installed}" "${_pair#*=}"
      _wrong=1
    fi
  done
  if have dpkg && [ -n "$(dpkg --audit 2>&1)" ]; then
    dpkg --audit 2>&1
    _wrong=1
  fi
  return $_wrong
}

# rpm adds the new package when all its files are there, and takes the old one away after that: cut off in between, both
# are installed. The older goes, without its scripts (they stop and restart services); what the newer owns stays. With rpm
# itself: yum 3 has package-cleanup for this, in yum-utils, which need not be installed, and dnf an option that yum 3 lacks.
rpm_duplicates() {
  for _name in st2 st2web st2chatops st2mistral bwc-enterprise st2enterprise; do
    rpm -q --qf '%{INSTALLTIME} %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n' "$_name" 2>/dev/null \
      | grep -v 'not installed' | sort -n | sed '$d' | while read -r _ _older; do
      printf 'two versions of %s: a transaction was cut off; removing %s\n' "$_name" "$_older"
      rpm -e --noscripts --nodeps "$_older" || exit 1
    done || return 1
  done
}

# apt before 1.9.11 does not know DPkg::Lock::Timeout: wait here for whoever works, and name him. yum waits by itself.
package_manager_free() {
  have dpkg || return 0
  _tries=0
  while _holder=$(package_lock_holders | head -n 1) && [ -n "$_holder" ]; do
    _tries=$((_tries + 1))
    [ "$_tries" -lt 300 ] || fail "the package manager is busy: process, command and lock: $_holder"
    sleep 1
  done
}
