# One option of st2.conf, read and written as oslo.config takes it: of several the last one counts. Comments and order stay.
CONF=${STORMLIFT_CONF:-/etc/st2/st2.conf}

# setting is|absolute|default|set SECTION KEY [VALUE]: `default` leaves an absolute path alone.
setting() {
  [ -f "$CONF" ] || fail "$CONF is missing"
  _has=$(option_of "$2" "$3")
  case $1 in
    is) [ "$_has" = "$4" ] || fail "[$2] $3 is ${_has:-not set}" ;;
    absolute) case $_has in /*) ;; *) fail "[$2] $3 is ${_has:-not set}" ;; esac ;;
    default)
      case $_has in
        /*) printf '[%s] %s stays %s\n' "$2" "$3" "$_has" ;;
        *) set_option "$2" "$3" "$4" ;;
      esac
      ;;
    set) if [ "$_has" = "$4" ]; then printf '[%s] %s is %s\n' "$2" "$3" "$4"; else set_option "$2" "$3" "$4"; fi ;;
    *) fail "stormlift-host: unknown verb setting $1" ;;
  esac
}

# What tells a section's start, and an option of it. A line that begins with a blank goes on with the one before, comments
# between them or not; what ends a line on Windows is no part of it.
AWK_SETTINGS='
  function section_of(line) { sub(/^\[/, "", line); sub(/\][ \t]*$/, "", line); return line }
  function key_of(line) { sub(/[ \t]*[=:].*/, "", line); return line }
  BEGIN { section = ENVIRON["SETTING_SECTION"]; key = ENVIRON["SETTING_KEY"]; value = ENVIRON["SETTING_VALUE"] }
  { whole = $0; sub(/\r$/, "") }
  /^\[/ { inside = (section_of($0) == section) }
  { ours = inside && ($0 ~ /^[^#;\[ \t]/) && ($0 ~ /[=:]/) && key_of($0) == key }
'

option_of() {
  SETTING_SECTION=$1 SETTING_KEY=$2 awk "$AWK_SETTINGS"'
    ours { sub(/^[^=:]*[=:][ \t]*/, ""); sub(/[ \t]+$/, ""); last = $0 }
    END { print last }
  ' "$CONF"
}

# The file is written aside with its owner and mode, and takes the old place when it is whole; a link stays one.
set_option() {
  _conf=$(readlink -f "$CONF")
  _before=$(kept_before "$_conf") || fail "$CONF as it is could not be kept; it is as it was"
  cp -p "$_conf" "$_conf.stormlift" || { rm -f "$_conf.stormlift"; fail "$CONF cannot be written aside; it is as it was"; }
  SETTING_SECTION=$1 SETTING_KEY=$2 SETTING_VALUE=$3 awk "$AWK_SETTINGS"'
    dropping && /^[ \t]/ { next }
    dropping && /^[#;]/ { print whole; next }
    { dropping = 0 }
    ours { dropping = 1; next }
    { print whole }
    /^\[/ && inside && !done { print key " = " value; done = 1 }
    END { if (!done) print "\n[" section "]\n" key " = " value }
  ' "$_conf" >"$_conf.stormlift" && on_disk "$_conf.stormlift" && mv -f "$_conf.stormlift" "$_conf" \
    || { rm -f "$_conf.stormlift"; fail "$CONF could not be written; it is as it was"; }
  [ -z "$_before" ] || (config_files changed "$_before" "$_conf") || printf 'how %s was before: %s\n' "$CONF" "$_before"
  printf '[%s] %s is %s now\n' "$1" "$2" "$3"
}

# kept_before FILE: where it is kept as it is before this step, in the backup of the run; a step that is taken up again leaves the
# first one. Nothing is said where no run is, as none of its steps is then.
kept_before() {
  [ -n "${STORMLIFT_BACKUP:-}" ] || return 0
  _step=$(printf '%s' "${STORMLIFT_HEAD:-}" | sed -n 's/.*"step":"\([^"]*\)".*/\1/p')
  _kept=$STORMLIFT_BACKUP/st2.conf.before-${_step##*:}
  [ -e "$_kept" ] || {
    (umask 077 && mkdir -p "$STORMLIFT_BACKUP" && cat "$1" >"$_kept.new") && mv -f "$_kept.new" "$_kept" || return 1
  }
  printf '%s\n' "$_kept"
}
