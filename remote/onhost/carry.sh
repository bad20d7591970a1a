# Backups that leave the host, come back, and go away.

# backup_carry send NAME|receive TOKEN NAME|forget NAME...
backup_carry() {
  case $1 in
    send)
      _place=$(place_of "${2:-}") || exit 1
      carry_py send "$2" "$_place"
      ;;
    receive)
      must_hold "$2"
      _place=$(place_of "${3:-}") || exit 1
      state_dir
      carry_py receive "$3" "$_place"
      ;;
    forget)
      shift
      for _name in "$@"; do place_of "$_name" >/dev/null || exit 1; done
      for _name in "$@"; do forget_backup "$_name"; done
      ;;
  esac
}

# Standard input belongs to the data, so the script is an argument; there is no secret in it.
carry_py() {
  _python=$(any_python) || exit 1
  "$_python" -c "$CARRY_PY" "$@"
}

# The manifest goes first: whatever interrupts this, what is left no longer counts as a backup.
forget_backup() {
  _place=$(place_of "$1") || exit 1
  [ -d "$_place" ] || { printf '%s is not here\n' "$1"; return 0; }
  rm -f "$_place/manifest.json" && rm -rf "$_place" || fail "$1 cannot be removed from $_place"
  rmdir "${_place%/*}" 2>/dev/null || :
  printf '%s is removed\n' "$1"
}
