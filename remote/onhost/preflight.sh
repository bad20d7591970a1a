# What may spoil an upgrade without being part of st2: who holds the package manager, what restarts services, what is left over.

# PID COMMAND FILE of every process that holds a lock of the package manager, a line each.
package_lock_holders() {
  for _file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock \
    /var/lib/rpm/.rpm.lock; do
    _inode=$(stat -c %i "$_file" 2>/dev/null) || continue
    for _pid in $(awk -v inode=":$_inode$" '$2 != "->" && $4 == "WRITE" && $6 ~ inode { print $5 }' /proc/locks); do
      # An inode is one of a file system alone: another one may have the same.
      for _open in "/proc/$_pid/fd"/*; do
        # shellcheck disable=SC3013
        [ "$_open" -ef "$_file" ] && printf '%s %s %s\n' "$_pid" "$(command_of "$_pid")" "$_file" && break
      done
    done
  done
  # yum 3 and dnf say who it is in files.
  said_holders /var/run/yum.pid /var/lib/dnf/rpmdb_lock.pid /var/cache/dnf/metadata_lock.pid /var/cache/dnf/download_lock.pid
}

# The same of FILE... that hold a pid; one whose process is gone is left over. No newline ends them, at which `read` fails.
said_holders() {
  for _file in "$@"; do
    [ -f "$_file" ] && { read -r _pid _ <"$_file" || :; } && [ -n "$_pid" ] && [ -d "/proc/$_pid" ] \
      && printf '%s %s %s\n' "$_pid" "$(command_of "$_pid")" "$_file"
  done
}

command_of() { cat "/proc/$1/comm" 2>/dev/null || echo unknown; }

# lists-age SECONDS: since the host's own lists of packages were fetched. fetch TEXT, key TEXT: what the look aside met.
facts_repositories() {
  # What the lists themselves say is when the server wrote them; the folders say when apt was there.
  _newest=$(stat -c %Y /var/lib/apt/lists /var/lib/apt/lists/partial /var/lib/apt/periodic/update-success-stamp \
    /var/cache/dnf/*tack*torm*/repodata/repomd.xml /var/cache/yum/*/*/*tack*torm*/repomd.xml 2>/dev/null | sort -n | tail -n 1)
  [ -z "$_newest" ] || printf 'lists-age %s\n' "$(($(date +%s) - _newest))"
  [ -z "${_fetch_failed:-}" ] || printf 'fetch %s\n' "$_fetch_failed"
  # apt goes on with what it warns of, and refuses the packages later; yum may speak of a key that it takes.
  [ -z "${_key_missing:-}" ] || { [ -z "${_fetch_failed:-}" ] && ! have dpkg; } || printf 'key %s\n' "$_key_missing"
}

# unit NAME, process PID NAME, cron FILE:LINE NAME: what starts services again that it finds stopped.
facts_restarters() {
  have systemctl && systemctl list-units --plain --no-legend --state=active --type=service,timer 'puppet*' 'pe-puppet*' 'chef-*' \
    'cfengine*' 'cf-*' 'salt-minion*' monit.service 'keepalived*' 'pacemaker*' 'supervisor*' 2>/dev/null \
    | sed 's/^[^a-z]*/unit /; s/ *loaded .*//'
  ps axww -o pid=,args= 2>/dev/null | awk '
    function program(word) { sub(/.*\//, "", word); sub(/:$/, "", word); return word }
    function starts(word) {
      return word ~ /^(puppet|chef-client|cf-execd|cf-agent|salt-minion|monit|keepalived|pacemakerd|supervisord|ansible-pull)$/
    }
    starts(program($2)) { print "process", $1, program($2); next }
    program($2) ~ /^(ruby|python|perl|sh|bash|dash)[0-9.]*$/ && starts(program($3)) { print "process", $1, program($3) }'
  cron_lines /etc/crontab /etc/cron.d/* /etc/cron.hourly/* /var/spool/cron/crontabs/* /var/spool/cron/*
}

# cron FILE:LINE NAME of every line in FILE... that runs what starts services; whole words, as one that runs a monitor does not.
cron_lines() {
  _starts='(puppet|chef-client|cf-agent|salt-call|ansible-pull|monit|st2ctl|systemctl .*(re)?start .*(st2|mistral))'
  grep -nHE "^([^#]*[^a-z#])?$_starts" "$@" 2>/dev/null \
    | grep -E '(puppet|chef-client|cf-agent|salt-call|ansible-pull|monit|st2ctl)([^a-z]|$)|systemctl ' \
    | sed -E 's/^([^:]*:[0-9]*):.*(puppet|chef-client|cf-agent|salt-call|ansible-pull|monit|st2ctl|systemctl).*/cron \1 \2/'
}

# left FILE: what a package manager put beside a changed file, the new one or the operator's own. changed FILE: one that is not as it was shipped.
facts_conffiles() {
  for _file in /etc/st2/* /etc/mistral/* /etc/default/st2* /etc/default/mistral* /etc/sysconfig/st2* /etc/sysconfig/mistral* \
    /etc/logrotate.d/st2* /etc/logrotate.d/mistral* "$STACK"/static/webui/config.js* "$STACK"/chatops/*; do
    case $_file in
      *.dpkg-dist | *.dpkg-new | *.dpkg-old | *.ucf-dist | *.ucf-old | *.rpmnew | *.rpmsave | *.rpmorig) [ -f "$_file" ] && printf 'left %s\n' "$_file" ;;
    esac
  done
  if have dpkg-query; then
    # shellcheck disable=SC2086
    dpkg-query -W -f '${Conffiles}\n' $_packages 2>/dev/null | awk 'NF == 2 { print $2, $1 }' | changed_files md5sum
  elif have rpm; then
    # shellcheck disable=SC2086
    rpm -q -c --dump $_packages 2>/dev/null | awk 'NF == 11 { print $4, $1 }' | changed_files sha256sum
  fi
}

# Reads DIGEST FILE; TOOL makes the digests.
changed_files() {
  _shipped=$(cat)
  _there=$(printf '%s\n' "$_shipped" | while read -r _ _file; do [ -f "$_file" ] && printf '%s\n' "$_file"; done)
  [ -n "$_there" ] || return 0
  # shellcheck disable=SC2086
  { "$1" $_there 2>/dev/null && echo @shipped && printf '%s\n' "$_shipped"; } | awk '
    $1 == "@shipped" { shipped = 1; next }
    !shipped { digest[$2] = $1; next }
    ($2 in digest) && length($1) == length(digest[$2]) && digest[$2] != $1 { print "changed", $2 }
  '
}

# The migration scripts that are on the disk.
facts_scripts() {
  for _file in "$STACK"/st2/bin/st2-migrate-* "$STACK"/st2/bin/migrations/*/*; do
    [ ! -f "$_file" ] || printf '%s\n' "$_file"
  done
}

# WORD NAME: a pack's virtualenv whose pack is `gone`, whose Python is `missing`, or is of another release than st2's: `other`.
facts_virtualenvs() {
  for _lib in "$STACK"/st2/lib/python3*; do _own=${_lib##*/}; done
  for _dir in "$STACK"/virtualenvs/*/; do
    [ -d "$_dir" ] || continue
    _name=${_dir%/}
    _name=${_name##*/}
    if [ ! -d "$STACK/packs/$_name" ]; then
      printf 'gone %s\n' "$_name"
    elif [ ! -x "${_dir}bin/python" ]; then
      printf 'missing %s\n' "$_name"
    elif [ -d "$STACK/st2/lib/$_own" ] && [ ! -d "${_dir}lib/$_own" ]; then
      printf 'other %s\n' "$_name"
    fi
  done
}

# mongodb|rabbitmq WHERE WHY: a server that st2.conf names and that does not take a connection.
facts_reach() {
  [ -f "${STORMLIFT_CONF:-/etc/st2/st2.conf}" ] && [ -d "$STACK/st2" ] || return 0
  _python=$(python_of st2) || _python=$(command -v python3) || _python=$(command -v python2) || return 0
  printf '%s' "$REACH_PY" | limit 30 "$_python" - "${STORMLIFT_CONF:-/etc/st2/st2.conf}" 2>/dev/null
}
