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
  _audit=
  ! have dpkg || _audit=$(dpkg --audit 2>&1)
  if [ -n "$_audit" ]; then
    printf '%s\n' "$_audit"
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
  rpm_torn
}

# What rpm was about to name when it was cut off: NAME;HEX, which no package owns. In a folder that goes with its package it
# would stay for good, and a half one of metadata lets no Python program start that asks for its own version.
rpm_torn() {
  have rpm || return 0
  find "$STACK/st2" "$STACK/mistral" "$STACK/static" "$STACK/chatops" -type f -name '*;????????' 2>/dev/null \
    | grep -E ';[0-9a-f]{8}$' | while IFS= read -r _torn; do
    rpm -qf "$_torn" >/dev/null 2>&1 && continue
    rm -f "$_torn"
    _folder=${_torn%/*}
    while ! rpm -qf "$_folder" >/dev/null 2>&1 && rmdir "$_folder" 2>/dev/null; do _folder=${_folder%/*}; done
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

# set_back fetch|now NAME=VERSION...: the older versions of those that are another one. What an interrupted transaction left
# is finished first: apt and yum refuse to begin another one.
set_back() {
  _how=$1
  shift
  [ "$_how" = fetch ] || whole_again
  for _pair in "$@"; do
    shift
    [ "$(version_of "${_pair%%=*}")" = "${_pair#*=}" ] || set -- "$@" "$_pair"
  done
  [ $# -gt 0 ] || return 0
  if have dpkg; then set_back_apt "$_how" "$@"; else set_back_yum "$_how" "$@"; fi
}

whole_again() {
  if have dpkg; then
    # A script of the newer package may fail: the older one takes its place.
    DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --configure -a || :
  else
    rpm_duplicates
  fi
}

# One that was cut off while it was unpacked is known by its old version, and in a mess: only a reinstallation mends it.
set_back_apt() {
  if [ "$1" = fetch ]; then
    shift
    # Not `install --download-only`, which an interrupted dpkg keeps from working.
    (umask 022 && cd /var/cache/apt/archives && apt-get -q download "$@")
    return
  fi
  shift
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold install --reinstall --allow-downgrades --no-remove "$@"
}

# What somebody has removed since is installed: yum 3 downgrades nothing that is not there, and ends well.
set_back_yum() {
  _only=
  [ "$1" = now ] || _only=--downloadonly
  shift
  set_back_by downgrade "$@" && set_back_by install "$@"
}

# set_back_by downgrade|install NAME=VERSION...: those that are there, or those that are not.
set_back_by() {
  _verb=$1
  shift
  for _pair in "$@"; do
    shift
    case $_verb$(version_of "${_pair%%=*}") in downgrade | install?*) continue ;; esac
    _version=${_pair#*=}
    set -- "$@" "${_pair%%=*}-${_version#0:}"
  done
  [ $# -gt 0 ] || return 0
  # shellcheck disable=SC2086 # no word, or one
  yum -y -q $_only "$_verb" "$@"
}

# aside NAME=VERSION...: these packages, downloaded and unpacked into a folder of the run; nothing is installed, no script runs.
aside() {
  _aside=$STORMLIFT_RUN_DIR/aside _files=$STORMLIFT_RUN_DIR/packages
  rm -rf "$_aside" "$_files"
  (umask 022 && mkdir -p "$_files") && mkdir -p "$_aside" || fail "there is no room for packages under $STORMLIFT_RUN_DIR"
  if have dpkg; then aside_apt "$@"; else aside_yum "$@"; fi || fail "the packages could not be had: $*"
  rm -rf "$_files"
}

aside_apt() {
  (cd "$_files" && apt-get -q download "$@") || return 1
  for _file in "$_files"/*.deb; do dpkg-deb -x "$_file" "$_aside" || return 1; done
}

aside_yum() {
  for _pair in "$@"; do
    shift
    _version=${_pair#*=}
    set -- "$@" "${_pair%%=*}-${_version#0:}"
  done
  yum -y -q --downloadonly --downloaddir="$_files" install "$@" >/dev/null || return 1
  # With a database of its own: rpm2cpio would want cpio, which need not be there.
  rpm --root "$_aside" -i --nodeps --noscripts --notriggers --nosignature --ignoreos --ignorearch "$_files"/*.rpm
}
