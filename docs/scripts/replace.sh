#!/bin/sh
# Has a new machine take the place of a node, dead or alive: makes the invitation, carries it over, sees the old one go.
#
#   replace.sh OLD NEW FILE [HOME]
#
#   OLD    name or number of the node that goes      NEW  name of the node that comes
#   FILE   where the invitation is written; when it is there already, it is used again
#   HOME   folder of a node of this machine that runs; without it: the only node of this machine
#
#   CTDBX  the program (default: ctdbx)
#   CARRY  a command that brings $FILE to the new machine and joins there, as
#          CARRY='scp "$FILE" b: && ssh b ctdbx cluster join n4.ctdbx-invite'; without it: do that by hand, it is waited for
#   WAIT   seconds that the whole may take (default: 3600)
#
# Exit code: 0 when OLD is gone, 8 when it is not in time, else that of the command that failed.
set -eu

: "${CTDBX:=ctdbx}" "${CARRY:=}" "${WAIT:=3600}"

usage() {
  sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

[ $# -ge 3 ] && [ $# -le 4 ] || usage
case $1 in -*) usage ;; esac
old=$1
new=$2
FILE=$3
export FILE
[ $# -eq 4 ] && set -- --home "$4" || set --

# The names and numbers of all nodes, one a line. Fails when they cannot be had.
nodes() {
  rows=$($CTDBX node list -o csv "$@") || return
  printf '%s\n' "$rows" | awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    { print $at["pnn"]; print $at["name"] }'
}

list=$(nodes "$@")
if ! printf '%s\n' "$list" | grep -qxF "$old"; then
  # Run again after it was done? Then it is among those that went.
  $CTDBX cluster leave "$old" --dry-run "$@" >/dev/null
  echo "$old is gone already"
  exit 0
fi

if [ ! -e "$FILE" ] && ! printf '%s\n' "$list" | grep -qxF "$new"; then
  $CTDBX cluster replace "$old" "$new" --out "$FILE" "$@"
fi
if [ -n "$CARRY" ]; then sh -c "$CARRY"; fi

waited=0
while printf '%s\n' "$list" | grep -qxF "$old"; do
  if [ "$waited" -ge "$WAIT" ]; then
    echo "replace.sh: $old is still there after $WAIT s; \`ctdbx cluster view\` says how far it is" >&2
    exit 8
  fi
  sleep 1
  waited=$((waited + 1))
  # Between two leaders a node may not answer; it is asked again.
  list=$(nodes "$@") || list=$old
done
echo "$old is gone, $new has its place"
$CTDBX cluster digest "$@"
