# Backups on their host: what is kept, and where one lies.

# place_of RUN/HOP: the folder of that backup; nothing else can be named, and no link is followed on the way to it.
place_of() {
  case ${1:-} in
    *[!A-Za-z0-9._@/-]* | *..* | [./-]* | */[./-]* | */*/* | */ | '') fail "${1:-} is no name of a backup: RUN/HOP" ;;
    */*) ;;
    *) fail "$1 is no name of a backup: RUN/HOP" ;;
  esac
  for _place in "$STATE/${1%%/*}" "$STATE/${1%%/*}/backup" "$STATE/${1%%/*}/backup/${1#*/}"; do
    [ ! -L "$_place" ] || fail "$_place is a link, and no backup is made as one"
  done
  printf '%s\n' "$_place"
}

# Any Python will do: st2's own may be half there, or not there yet.
any_python() {
  command -v python3 || command -v python2 || command -v python || python_of st2 || command -v /usr/libexec/platform-python \
    || fail "no Python on this host, which keeps, proves and carries backups, and reads configuration files"
}

# backup files UNIT...|seal KEY=VALUE...|check NAME|same NAME|put-back NAME|list|send NAME|receive TOKEN NAME|forget NAME...
backup() {
  case $1 in
    send | receive | forget)
      backup_carry "$@"
      return
      ;;
    check | same | put-back)
      _place=$(place_of "$2") || exit 1
      set -- "$1" "$_place"
      ;;
  esac
  _python=$(any_python) || exit 1
  printf '%s' "$BACKUP_PY" | "$_python" - "$@"
}

# rehearsed RELEASE NAME: the journal says what the rehearsal of RELEASE from the backup NAME took; the packages go again.
rehearsed() {
  _took=$(tr -d '\n ' <"$STORMLIFT_RUN_DIR/rehearsal.json") || fail "nothing was rehearsed: there is no $STORMLIFT_RUN_DIR/rehearsal.json"
  rm -rf "$STORMLIFT_RUN_DIR/aside"
  journal "$STORMLIFT_HEAD,\"event\":\"rehearsed\",\"at\":$(date +%s),\"data\":{\"release\":\"$1\",\"backup\":\"$2\",\"seconds\":$_took}}"
}

# dumps KIND...: of each of these databases at the same time; what each says is told after the other, and one that fails fails all.
dumps() {
  _failed=0
  mkdir -p -m 700 "$STORMLIFT_BACKUP"
  rm -f "$STORMLIFT_BACKUP"/code.*.new # of an attempt that was cut off
  for _kind in "$@"; do
    ("$_kind" dump >"$STORMLIFT_BACKUP/said.$_kind.new" 2>&1 && echo 0 >"$STORMLIFT_BACKUP/code.$_kind.new") &
  done
  wait
  for _kind in "$@"; do
    cat "$STORMLIFT_BACKUP/said.$_kind.new"
    [ -e "$STORMLIFT_BACKUP/code.$_kind.new" ] || _failed=1
    rm -f "$STORMLIFT_BACKUP/said.$_kind.new" "$STORMLIFT_BACKUP/code.$_kind.new"
  done
  return $_failed
}
