# at-once VERB WORD...: a check as it stands now; it waits for nothing.
if [ "${1:-}" = at-once ]; then
  ANSWER_TRIES=1
  shift
fi
case ${1:-} in
  run-segment) run_segment "$2" "$3" ;;
  stopped | quiet | setting | content | leftovers | hold | held | release | serving | move | installed | answers | mistral | store | backup | keys | queue | facts | record | keep | submit | halt | running)
    "$@"
    ;;
  mistral-quiet) mistral_quiet ;;
  mongodb-in) mongodb_in "$2" "$3" ;;
  workflows-through) workflows_through ;;
  package-manager-free) package_manager_free ;;
  mistral-leftovers) leftovers mistral_processes ;;
  rpm-duplicates) rpm_duplicates ;;
  core-local) core_local ;;
  config) shift && config_files "$@" ;;
  settle) settle_release "$2" "${3:-}" ;;
  aside) shift && aside "$@" ;;
  dumps) shift && dumps "$@" ;;
  rehearsed) rehearsed "$2" "$3" ;;
  set-back) shift && set_back "$@" ;;
  units-as) shift && units_as "$@" ;;
  lock-take) lock_take "$2" "$3" "$4" "$5" "${6:-0}" ;;
  lock-show) lock_show ;;
  lock-keep) lock_keep "$2" ;;
  lock-release) lock_release "$2" ;;
  journal) cat "$STATE/journal" 2>/dev/null || : ;;
  paused) paused ;;
  kept) cat "$STATE/$2/$3" ;;
  *) fail "stormlift-host: unknown verb ${1:-}" ;;
esac
