# Configuration files that packages bring anew, told beside the operator's own.

# config_files defaults|show NAME..., put-back|as-kept FILE..., look, changed BEFORE NOW
config_files() {
  _python=$(any_python) || exit 1
  case $1 in
    defaults | show)
      _verb=$1
      shift
      for _name in "$@"; do
        shift
        set -- "$@" "$_name=$(version_of "$_name")"
      done
      # Whatever becomes of it, the run goes on.
      printf '%s' "$CONFIG_FILES_PY" | limit 1500 "$_python" - "$_verb" "$@" || printf 'config %s ended early\n' "$_verb"
      ;;
    *) printf '%s' "$CONFIG_FILES_PY" | "$_python" - "$@" ;;
  esac
}
