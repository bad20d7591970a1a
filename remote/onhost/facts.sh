# Everything that a plan rests on, in one go, changing nothing. A section starts with a line "@name"; the last is @end.

# facts "PACKAGE..." "UNIT..." EVIDENCE WORK
facts() {
  _packages=$1 _units=$2
  section os && cat /etc/os-release 2>/dev/null
  section redhat && cat /etc/redhat-release 2>/dev/null
  section init && if [ -d /run/systemd/system ]; then echo systemd; else cat /proc/1/comm; fi
  section managers && for _tool in apt-get dpkg-query yum rpm pg_dump pg_restore; do have "$_tool" && echo "$_tool"; done
  section packages && facts_packages
  section unhealthy && facts_unhealthy
  section held && facts_held
  section busy && package_lock_holders
  section available && facts_available
  section repositories && facts_repositories
  section units && facts_units
  section processes && processes
  section hold && cat "$STATE/hold" 2>/dev/null
  section lock && lock_show
  section fence && head -n 1 "$STATE/fence" 2>/dev/null
  section running && running
  section disk && df -Pk /var /opt /tmp 2>/dev/null
  section machine && cat /etc/machine-id 2>/dev/null
  section addresses && { hostname -I 2>/dev/null || ip -o addr 2>/dev/null | awk '{ sub("/.*", "", $4); print $4 }'; }
  section mistral && [ -x "$STACK/mistral/bin/python" ] && mistral look 2>&1
  section evidence && [ "$3" = evidence ] && facts_evidence
  section content && facts_content
  section work && { [ "$4" != work ] || facts_work; }
  section versions && facts_versions
  if [ "$3" = evidence ]; then
    section reach && facts_reach
    section store && python_of st2 >/dev/null && store look 2>/dev/null
    section restarters && facts_restarters
    section conffiles && facts_conffiles
    section scripts && facts_scripts
    section virtualenvs && facts_virtualenvs
  fi
  section backups && [ -n "$(ls -d "$STATE"/*/backup 2>/dev/null)" ] && backup list
  section journal && cat "$STATE/journal" 2>/dev/null
  # Last, so that little time passes before the controller compares it with its own.
  section clock && date +%s
  printf '\n@end\n'
}

section() { printf '\n@%s\n' "$1"; }

facts_packages() {
  for _name in $_packages; do
    version_of "$_name" | sed "s/^/$_name /"
  done
}

facts_unhealthy() {
  if have dpkg; then
    [ -z "$(dpkg --audit 2>&1)" ] || echo "dpkg --audit names packages that are not whole"
  elif have rpm; then
    for _name in $_packages; do
      [ "$(version_of "$_name" | wc -l)" -le 1 ] || echo "$_name has two versions in the rpm database"
    done
  fi
}

facts_held() {
  if have dpkg-query; then # apt-mark would write apt's cache
    # shellcheck disable=SC2086
    dpkg-query -W -f '${Status} ${Package}\n' $_packages 2>/dev/null | sed -n 's/^hold .* //p'
  elif [ -s /etc/dnf/plugins/versionlock.list ] || [ -s /etc/yum/pluginconf.d/versionlock.list ]; then
    for _name in $_packages; do
      grep -qsE "^!?([0-9]+:)?$_name-[0-9]" /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list && echo "$_name"
    done
  fi
}

facts_units() {
  have systemctl || return 0
  # shellcheck disable=SC2086
  systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState $_units 2>/dev/null
}

# What the repositories offer now, from metadata fetched aside: the host's own lists stay as they are.
facts_available() {
  _aside=$(mktemp -d) || return 0
  if have apt-cache; then apt_available; elif have yum; then yum_available; fi
  rm -rf "$_aside"
}

apt_available() {
  mkdir -p "$_aside/parts" "$_aside/lists/partial" "$_aside/cache/archives/partial"
  for _list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    grep -qis stackstorm "$_list" /dev/null && cp "$_list" "$_aside/parts/"
    case $_list in *[Ss]tack[Ss]torm*) cp "$_list" "$_aside/parts/" ;; esac
  done
  if [ -n "$(ls "$_aside/parts")" ]; then
    set -- -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$_aside/parts" -o "Dir::State::lists=$_aside/lists" \
      -o "Dir::Cache=$_aside/cache"
    limit 120 apt-get -q "$@" -o APT::Update::Error-Mode=any update >"$_aside/said" 2>&1 || {
      set -- -o "Dir::Cache=$_aside/cache"
      _fetch_failed=$(grep -m 1 '^[EW]: ' "$_aside/said")
    }
    _key_missing=$(grep -m 1 -E 'NO_PUBKEY|EXPKEYSIG|KEYEXPIRED|REVKEYSIG|is not signed' "$_aside/said")
  else
    set -- -o "Dir::Cache=$_aside/cache"
  fi
  # shellcheck disable=SC2086
  apt-cache "$@" madison $_packages 2>/dev/null | awk -F'|' '{ gsub(/ /, ""); print $1, $2 }'
}

# yum and dnf keep metadata, logs and a list for a shell's completion even when they are only asked: all of it aside.
yum_aside() {
  printf '%s\n' "--setopt=cachedir=$_aside" "--setopt=logdir=$_aside" --disableplugin=generate_completion_cache
}

yum_available() {
  # shellcheck disable=SC2046
  set -- $(yum_aside)
  if grep -qis stackstorm /etc/yum.repos.d/*.repo; then set -- "$@" '--disablerepo=*' '--enablerepo=*tack*torm*'; fi
  # shellcheck disable=SC2086
  limit 120 yum -q "$@" list --showduplicates --available $_packages 2>"$_aside/said" \
    || limit 120 yum -q "$@" list available --showduplicates $_packages 2>>"$_aside/said" \
    || _fetch_failed=$(grep -v 'No matching Packages' "$_aside/said" | grep -m 1 -iE '^(error|failed)|cannot')
  _key_missing=$(grep -v Importing "$_aside/said" | grep -m 1 -iE 'signature could not be verified|public key .*not installed|GPG')
}

# KEY COUNT PLACE: what speaks against a later release, in packs, in st2.conf and on the system.
facts_content() {
  [ ! -d "$STACK/st2" ] || content look
  [ -z "${_key_missing:-}" ] || printf 'repository-key 1 %s\n' "$_key_missing"
  for _dir in "$STACK"/runners/*/; do
    [ -d "$_dir" ] && ! owned "${_dir%/}" && printf 'custom-runners 1 %s\n' "${_dir%/}" && break
  done
  for _unit in st2api st2auth st2stream; do
    for _file in "$UNITS_DIR/$_unit.socket" "$UNITS_DIR/$_unit.socket.d"/*.conf; do
      [ -f "$_file" ] && printf 'socket-overrides 1 %s\n' "$_file" && break 2
    done
  done
}

owned() {
  if have dpkg-query; then dpkg-query -S "$1" >/dev/null 2>&1; else rpm -qf "$1" >/dev/null 2>&1; fi
}

# What st2 relies on, as it is here and as the repositories offer it.
facts_versions() {
  have node && node --version 2>/dev/null | sed 's/^v/node /'
  facts_offered
  mongodb_version
}

# By the metadata that the host has; what apt and yum make of it while they are asked goes aside.
facts_offered() {
  _aside=$(mktemp -d) || return 0
  if have apt-cache; then
    cp -p /var/cache/apt/*pkgcache.bin "$_aside" 2>/dev/null
    for _offer in node-offered:nodejs python-offered:python3.6; do
      _candidate=$(apt-cache -o "Dir::Cache=$_aside" policy "${_offer#*:}" 2>/dev/null | sed -n 's/^ *Candidate: \([0-9].*\)/\1/p')
      printf '%s %s\n' "${_offer%:*}" "${_candidate:-none}"
    done
  elif have yum; then
    rpm -q --qf 'python-offered %{VERSION}\n' python3-devel 2>/dev/null | grep -v 'not installed'
    for _kept in /var/cache/dnf /var/cache/yum/*/*; do
      [ ! -d "$_kept" ] || cp -rs "$_kept/." "$_aside" 2>/dev/null
    done
    # shellcheck disable=SC2046
    yum -C -q $(yum_aside) list available nodejs python3-devel 2>&1 | awk '
      # No lists at all are no answer.
      /[Cc]ache/ { unread = 1 }
      $1 ~ /^nodejs\./ { print "node-offered", $2; node = 1 }
      $1 ~ /^python3-devel\./ { print "python-offered", $2 }
      END { if (!node && !unread) print "node-offered none" }
    '
  fi
  rm -rf "$_aside"
}

# By the client library of st2 with its own credentials; a server on this host says it without.
mongodb_version() {
  python_of st2 >/dev/null && store release 2>/dev/null && return
  have mongod && mongod --version 2>/dev/null | sed -n 's/^db version v/mongodb /p'
}

# mongodb-in FIRST BELOW: whether st2's MongoDB is of a release from FIRST on and older than BELOW.
mongodb_in() {
  _found=$(mongodb_version)
  _found=${_found#mongodb }
  [ -n "$_found" ] || fail "the release of MongoDB could not be read"
  printf '%s %s %s\n' "$_found" "$1" "$2" | awk '
    function number(text, part) { split(text, part, "."); return part[1] * 1000 + part[2] }
    { exit !(number($1) >= number($2) && number($1) < number($3)) }
  ' || fail "MongoDB is $_found; needed is $1 or later, older than $2"
}

# KEY COUNT PLACE: what is still on its way through st2.
facts_work() {
  _python=$(python_of st2) || return 0
  queue look 2>/dev/null
  ST2_AUTH_TOKEN=${ST2_TOKEN:-} ST2_API_KEY=${ST2_KEY:-}
  export ST2_AUTH_TOKEN ST2_API_KEY
  printf '%s' "$EXECUTIONS_PY" | limit 60 "$_python" - 2>/dev/null
  unset ST2_AUTH_TOKEN ST2_API_KEY
}

# With what this host knows of credentials; where the API lets nobody in, that is said and nothing more.
workflows_through() {
  _work=$(facts_work)
  printf '%s\n' "$_work" | sed -n 's/^executions-unknown 1 /not known: /p'
  _work=$(printf '%s\n' "$_work" | awk '$1 == "workflows-unfinished" { print $2 }')
  [ -z "$_work" ] || fail "$_work workflows are unfinished"
}

# A journal that settled a release knows what was migrated; names under both scopes come later, and only 2.1 minds them.
facts_evidence() {
  [ -x "$STACK/st2/bin/python" ] || return 0
  if ! grep -qs '"event":"settled"' "$STATE/journal"; then
    keys count 2>/dev/null
  else
    case $(version_of st2) in 1.* | 2.0.* | *:1.* | *:2.0.*) keys both 2>/dev/null ;; esac
  fi
}
