#!/bin/bash
# Runs N stock ctdbd (Debian package `ctdb`) as one cluster on 127.0.0.1..N, for side-by-side measurements.
#   ctdb-cluster.sh start DIR [N]     set up DIR and start; waits until every node is OK   (default N=3)
#   ctdb-cluster.sh stop DIR          stop every node
#   ctdb-cluster.sh ctdb DIR PNN ...  run the stock `ctdb` tool on node PNN
# Sockets: DIR/node.PNN/run/ctdbd.socket. Logs: DIR/node.PNN/log.ctdb.
# NET=127.7.7 ctdb-cluster.sh start ... uses 127.7.7.1..N, so that several clusters can run at once.
# DB=/dev/shm/x ctdb-cluster.sh start ... puts the databases on tmpfs instead of DIR.
# Public addresses are handed to a no-op event script: nothing is configured on any interface.
set -eu
verb=${1:?verb} dir=${2:?dir}
export CTDB_TEST_MODE=yes
base() { echo "$dir/node.$1"; }
nodes() { seq 0 $(($(wc -l <"$dir/nodes") - 1)); }
pid() { cat "$(base "$1")/run/ctdbd.pid" 2>/dev/null || true; }

setup() {
  local n=$1 i b d
  mkdir -p "$dir/shared"
  for i in $(seq 1 "$n"); do echo "${NET:-127.0.0}.$i"; done >"$dir/nodes"
  for i in $(seq 1 "$n"); do printf '192.0.2.%d/24 lo\n198.51.100.%d/24 lo\n' "$i" "$i"; done >"$dir/public_addresses"
  for i in $(nodes); do
    b=$(base "$i") d=${DB:+$DB/node.$i}
    d=${d:-$b/db}
    mkdir -p "$b/run" "$b/var" "$b/events/legacy" "$d/volatile" "$d/persistent" "$d/state"
    cp /etc/ctdb/functions /etc/ctdb/notify.sh /etc/ctdb/debug-hung-script.sh "$b/"
    cp "$dir/nodes" "$dir/public_addresses" "$b/"
    printf '#!/bin/sh\nexit 0\n' >"$b/events/legacy/00.noop.script"
    chmod 755 "$b/events/legacy/00.noop.script"
    cat >"$b/ctdb.conf" <<C
[logging]
	location = file:$b/log.ctdb
	log level = NOTICE
[cluster]
	cluster lock = $dir/shared/cluster.lock
	node address = ${NET:-127.0.0}.$((i + 1))
[database]
	volatile database directory = $d/volatile
	persistent database directory = $d/persistent
	state database directory = $d/state
C
  done
}

healthy() { # every node OK and the cluster out of recovery
  local out
  out=$(CTDB_BASE=$(base 0) ctdb status 2>/dev/null) || return 1
  [ "$(grep -c '^pnn:.* OK' <<<"$out")" = "$(wc -l <"$dir/nodes")" ] && grep -q 'Recovery mode:NORMAL' <<<"$out"
}

case $verb in
start)
  [ -e "$dir/nodes" ] || setup "${3:-3}"
  for i in $(nodes); do CTDB_BASE=$(base "$i") /usr/sbin/ctdbd; done
  for _ in $(seq 600); do healthy && exit 0; sleep 0.1; done
  echo "ctdb-cluster: not healthy after 60 s, see $dir/node.*/log.ctdb" >&2
  exit 1
  ;;
stop)
  for i in $(nodes); do [ -n "$(pid "$i")" ] && CTDB_BASE=$(base "$i") ctdb shutdown >/dev/null 2>&1 || true; done
  for _ in $(seq 100); do
    alive=0
    for i in $(nodes); do p=$(pid "$i"); [ -n "$p" ] && kill -0 "$p" 2>/dev/null && alive=1; done
    [ $alive = 0 ] && exit 0
    sleep 0.1
  done
  exit 1
  ;;
ctdb) pnn=$3; shift 3; CTDB_BASE=$(base "$pnn") exec ctdb "$@" ;;
*) echo "usage: ctdb-cluster.sh start|stop|ctdb DIR ..." >&2; exit 2 ;;
esac
