#!/bin/sh
# Restarts the daemons of all nodes, one after the other, the leader last. Stops at the first trouble.
#
#   rolling-restart.sh [HOME [NODE...]]
#
#   HOME   folder of a node of this machine that runs; "-" or nothing: the only node of this machine
#   NODE   names of the nodes to restart; without any: all
#
#   CTDBX    the program (default: ctdbx)
#   RESTART  the command that restarts the daemon of $NODE in order, wherever it is (SIGTERM, not SIGKILL), as
#            RESTART='ssh "$NODE" systemctl restart ctdbx@"$NODE"'
#   WAIT     seconds until all must be well again after each (default: 60)
#
# Exit code: 0: all were restarted, and all is well; 8: all was not well in time, no further node was touched.
set -eu

: "${CTDBX:=ctdbx}" "${WAIT:=60}" "${RESTART:=}"

usage() {
  sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

[ -n "$RESTART" ] || usage
home=${1:--}
case $home in -?*) usage ;; esac
[ $# -eq 0 ] || shift
wanted=$*
[ "$home" = - ] && set -- || set -- --home "$home"

# The names of all nodes ("all"), or of the one that leads ("leads"). Fails when they cannot be had.
names() {
  what=$1
  shift
  rows=$($CTDBX node list -o csv "$@") || return
  printf '%s\n' "$rows" | awk -F, -v what="$what" '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    what == "all" || $at["isLeader"] == "true" { print $at["name"] }'
}

well() {
  $CTDBX cluster wait --for all-ok --timeout "$WAIT" "$@" >/dev/null || {
    echo "rolling-restart.sh: not all is well, nothing more is restarted:" >&2
    $CTDBX cluster health "$@" >&2 || :
    exit 8
  }
}

well "$@"
[ -n "$wanted" ] || wanted=$(names all "$@")
left=$(printf '%s\n' $wanted)
known=$(names all "$@")
for name in $left; do
  printf '%s\n' "$known" | grep -qxF "$name" || {
    echo "rolling-restart.sh: there is no node $name" >&2
    exit 3
  }
done

while [ -n "$left" ]; do
  leader=$(names leads "$@")
  # Whoever leads now is taken when nobody else is left.
  NODE=$(printf '%s\n' "$left" | grep -vxF "${leader:-/}" | head -n 1) || :
  [ -n "$NODE" ] || NODE=$(printf '%s\n' "$left" | head -n 1)
  export NODE
  echo "restarting $NODE"
  sh -c "$RESTART" || {
    echo "rolling-restart.sh: the restart of $NODE failed, nothing more is restarted" >&2
    exit 1
  }
  well "$@"
  left=$(printf '%s\n' "$left" | grep -vxF "$NODE") || :
done
echo "all were restarted, all is well"
