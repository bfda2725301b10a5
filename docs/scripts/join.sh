#!/bin/sh
# Makes this machine a node of a cluster by an invitation. Run again after whatever went wrong, it goes on.
#
#   join.sh FILE [HOME]
#
#   FILE   what `ctdbx cluster invite NAME --out FILE` has written on a node of the cluster
#   HOME   folder of the new node; without it: /etc/ctdbx, /var/lib/ctdbx and /run/ctdbx, by the node's name
#
#   CTDBX  the program (default: ctdbx)      TRIES  how often it is tried while nobody leads (default: 5)
#
# Exit code: that of `ctdbx cluster join`; 0: the node is a member, and all nodes that answer agree.
set -eu

: "${CTDBX:=ctdbx}" "${TRIES:=5}"

usage() {
  sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

[ $# -ge 1 ] && [ $# -le 2 ] || usage
case $1 in -*) usage ;; esac
file=$1
[ $# -eq 2 ] && set -- --home "$2" || set --

try=1
while :; do
  code=0
  $CTDBX cluster join "$file" "$@" || code=$?
  case $code in
    # 5: no answer, it may have been done. 6: nobody leads. 8: it has joined, but is not at work yet.
    5 | 6 | 8) ;;
    *) exit "$code" ;;
  esac
  [ "$try" -lt "$TRIES" ] || exit "$code"
  try=$((try + 1))
  echo "join.sh: not yet (exit code $code); try $try of $TRIES in 2 s" >&2
  sleep 2
done
