#!/bin/sh
# Takes a node out of its cluster for good: this machine's, or another one, which may be dead.
#
#   leave.sh [-n NODE] [HOME]
#
#   NODE   name or number of the node; without it: the one of HOME
#   HOME   folder of a node of this machine that runs; without it: the only node of this machine
#
#   CTDBX  the program (default: ctdbx)      TRIES  how often it is tried while nobody leads (default: 5)
#
# Exit code: that of `ctdbx cluster leave`; 0: it has left, now or before.
set -eu

: "${CTDBX:=ctdbx}" "${TRIES:=5}"

usage() {
  sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

node=
while getopts n: option; do
  case $option in
    n) node=$OPTARG ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# -le 1 ] || usage
[ $# -eq 1 ] && set -- --home "$1" || set --

# May it go? This says what to do when it would break the quorum.
$CTDBX cluster leave ${node:+"$node"} --dry-run "$@"

try=1
while :; do
  code=0
  $CTDBX cluster leave ${node:+"$node"} --yes "$@" || code=$?
  case $code in
    # 5: it is on its way. 6: nobody leads just now.
    5 | 6) ;;
    *) exit "$code" ;;
  esac
  [ "$try" -lt "$TRIES" ] || exit "$code"
  try=$((try + 1))
  echo "leave.sh: not yet (exit code $code); try $try of $TRIES in 2 s" >&2
  sleep 2
done
