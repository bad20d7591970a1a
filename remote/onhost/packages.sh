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

rpm_duplicates() {
  for _name in st2 st2web st2chatops st2mistral bwc-enterprise st2enterprise; do
    if [ "$(version_of "$_name" | wc -l)" -gt 1 ]; then
      printf 'two versions of %s: a transaction was cut off; removing the older\n' "$_name"
      yum -y -q remove --duplicates
      return
    fi
  done
}
