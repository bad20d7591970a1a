# Units and processes, judged by what runs: st2ctl's exit codes mean nothing (st2common/bin/st2ctl, every release).

# pid and program of everything that runs from st2's directory, interpreters of its scripts included; not an operator's
# editor on a file there, and not a look of ours (a script on standard input). Words behind the program are left out:
# st2's python runner has action parameters there, secrets among them.
processes() {
  ps axww -o pid=,args= | awk -v stack="$STACK/" '
    function ours(word) { return index(word, stack) == 1 }
    { name = $2; sub(/.*\//, "", name)
      if ($3 == "-") next
      if (ours($2) || (name ~ /^(sh|bash|dash|node|nodejs|python[0-9.]*|setsid|env)$/ && (ours($3) || ours($4))))
        print $1, $2, ($3 ~ /^-/ ? "" : $3) }'
}

mistral_processes() { processes | grep -e "$STACK/mistral/" -e mistral-server -e mistral-api -e mistral.api; }

word_of() { systemctl is-active "$1" 2>/dev/null || :; }

# stopped UNIT...: units down and processes gone; names what is not.
stopped() {
  _left=0
  for _unit in "$@"; do
    case $(word_of "$_unit") in
      active | activating | deactivating | reloading)
        printf '%s is %s\n' "$_unit" "$(word_of "$_unit")"
        _left=1
        ;;
    esac
  done
  # The wrapper's workers are units of their own.
  case " $* " in
    *' st2actionrunner '*)
      if systemctl list-units --no-legend 'st2actionrunner@*' 2>/dev/null | grep -Eq ' (active|deactivating) '; then
        printf 'st2actionrunner workers are still there\n'
        _left=1
      fi
      ;;
  esac
  return $_left
}

quiet() {
  _found=$(processes)
  [ -z "$_found" ] && return 0
  printf 'still running:\n%s\n' "$_found"
  return 1
}

mistral_quiet() {
  _found=$(mistral_processes)
  [ -z "$_found" ] || {
    printf 'mistral still runs:\n%s\n' "$_found"
    return 1
  }
  held mistral mistral-api mistral-server
}

# leftovers [PATTERN]: TERM, then KILL, and named.
leftovers() {
  _what=${1:-processes}
  _found=$($_what)
  [ -n "$_found" ] || return 0
  printf 'left over after the stop, ended now:\n%s\n' "$_found"
  printf '%s\n' "$_found" | while read -r _pid _; do kill -TERM "$_pid" 2>/dev/null; done
  _tries=0
  while [ -n "$($_what)" ] && [ "$_tries" -lt 100 ]; do
    _tries=$((_tries + 1))
    nap
  done
  $_what | while read -r _pid _; do
    printf 'did not end on TERM, killed: %s %s\n' "$_pid" "$_"
    kill -KILL "$_pid" 2>/dev/null
  done
  _tries=0
  while [ -n "$($_what)" ] && [ "$_tries" -lt 50 ]; do
    _tries=$((_tries + 1))
    nap
  done
  [ -z "$($_what)" ] || fail "cannot be ended: $($_what)"
}

drop_in() {
  case $1 in
    *.socket) printf '%s/%s.d/50-stormlift-hold.conf\n' "$UNITS_DIR" "$1" ;;
    *) printf '%s/%s.service.d/50-stormlift-hold.conf\n' "$UNITS_DIR" "$1" ;;
  esac
}

# hold UNIT...: no unit starts while the file is there, whoever asks; it lies on the disk, so a reboot changes nothing.
hold() {
  state_dir
  [ -e "$STATE/hold" ] || (umask 077 && printf 'run %s since %s\n' "${STORMLIFT_RUN_DIR##*/}" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$STATE/hold")
  for _unit in "$@"; do
    _file=$(drop_in "$_unit")
    mkdir -p "${_file%/*}"
    printf '# stormlift holds this unit; it goes when the hold is released.\n[Unit]\nConditionPathExists=!%s\n' \
      "$STATE/hold" >"$_file"
  done
  on_disk "$STATE/hold" "$STATE" "$UNITS_DIR" "$UNITS_DIR"/*.d "$UNITS_DIR"/*.d/50-stormlift-hold.conf
  systemctl daemon-reload
}

# held UNIT...: the hold is there for each, not only said to be.
held() {
  [ -s "$STATE/hold" ] || fail "the hold is gone: $STATE/hold"
  for _unit in "$@"; do
    grep -qs "$STATE/hold" "$(drop_in "$_unit")" || fail "$_unit is not held: $(drop_in "$_unit") is gone"
  done
}

release() {
  for _file in "$UNITS_DIR"/*.d/50-stormlift-hold.conf; do
    [ -e "$_file" ] || continue
    rm -f "$_file"
    rmdir "${_file%/*}" 2>/dev/null || :
  done
  rm -f "$STATE/hold"
  on_disk "$STATE" "$UNITS_DIR"
  systemctl daemon-reload
}

# serving UNIT...: all active, and for five seconds already; names what is not.
serving() {
  _missing=0
  _up=$(cut -d. -f1 /proc/uptime)
  for _unit in "$@"; do
    _word=$(word_of "$_unit")
    _since=$(systemctl show -p ActiveEnterTimestampMonotonic "$_unit" 2>/dev/null | cut -d= -f2)
    if [ "$_word" != active ]; then
      printf '%s is %s\n' "$_unit" "${_word:-unknown}"
      _missing=1
    elif [ $((_up - ${_since:-0} / 1000000)) -lt 5 ]; then
      printf '%s is active, not yet for five seconds\n' "$_unit"
      _missing=1
    fi
  done
  case " $* " in
    *' st2actionrunner '*)
      systemctl list-units --no-legend 'st2actionrunner@*' | grep -q running || {
        printf 'no worker of st2actionrunner runs\n'
        _missing=1
      }
      ;;
  esac
  return $_missing
}

# units_as set|is UNIT=enabled|disabled|masked...: as they were enabled once; a unit that went with its package is left out.
units_as() {
  _how=$1 _wrong=0
  shift
  [ "$_how" = is ] || systemctl daemon-reload
  for _pair in "$@"; do
    case ${_pair%%=*} in *.socket) _unit=${_pair%%=*} ;; *) _unit=${_pair%%=*}.service ;; esac
    _now=$(systemctl is-enabled "$_unit" 2>/dev/null) || :
    [ -n "$_now" ] && [ "$_now" != "${_pair#*=}" ] || continue
    if [ "$_how" = is ]; then
      printf '%s is %s, not %s\n' "$_unit" "$_now" "${_pair#*=}"
      _wrong=1
      continue
    fi
    [ "$_now" != masked ] || systemctl unmask "$_unit" || _wrong=1
    case ${_pair#*=} in
      enabled) systemctl enable "$_unit" ;;
      disabled) systemctl disable "$_unit" ;;
      masked) systemctl mask "$_unit" ;;
    esac || _wrong=1
  done
  return $_wrong
}
