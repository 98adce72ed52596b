#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# `make run`: shows what synfin says about a few connections of every kind, made in a network namespace of
# their own next to whatever else this host does. It ends by itself and takes the namespace away again.
# SYNFIN and PEER name the two programs; run as root.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
synfin=${SYNFIN:-$root/build/synfin}
peer=${PEER:-$root/build/tests/peer}
ns=synfin-demo-$$
tmp=$(mktemp -d)
pids=

finish()
{
	for pid in $pids; do
		kill "$pid" 2>/dev/null || :
	done
	wait
	ip netns del "$ns" 2>/dev/null || :
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Starts a server of the namespace in the background and waits until it listens.
serve()
{
	log=$tmp/serve-$2 # the port
	: >"$log"
	nsenter --net="/run/netns/$ns" -- "$peer" serve "$@" >"$log" &
	pids="$pids $!"
	until grep -q listening "$log"; do
		sleep 0.1
	done
}

# load COUNT: about a second of connections, so many of each quick kind and one of each slow kind.
load()
{
	for target in "127.0.0.1:8080 --count $1 --bytes 512 --close-first" \
		      "[::1]:8080 --count $1 --bytes 512 --close-first" \
		      "127.0.0.1:8081 --bytes 64 --close-first" \
		      "127.0.0.1:8082 --bytes 64" \
		      "127.0.0.1:8083 --count $1 --bytes 64 --linger0 --close-first" \
		      "127.0.0.1:9 --count $1"; do
		# shellcheck disable=SC2086
		nsenter --net="/run/netns/$ns" -- "$peer" load --connect $target >/dev/null
		sleep 0.1
	done
}

# watch COUNT ARGS...: synfin with its output in $tmp/out, the load once it is ready; stopped when all is told.
watch()
{
	count=$1
	shift
	"$synfin" "$@" >"$tmp/out" 2>"$tmp/err" &
	tracer=$!
	pids="$pids $tracer"
	until grep -q 'synfin: ready' "$tmp/err"; do
		if ! kill -0 "$tracer" 2>/dev/null; then
			cat "$tmp/err" >&2
			exit 1
		fi
		sleep 0.1
	done
	load "$count"
	sleep 1
	kill -INT "$tracer"
	wait "$tracer"
}

ip netns add "$ns"
ip -n "$ns" link set lo up
serve --port 8080 --v6 --count 0 --bytes 512
serve --port 8081 --count 0 --bytes 64 --wait 300
serve --port 8082 --count 0 --bytes 64 --accept-delay 200 --close-first
serve --port 8083 --count 0 --bytes 64

cat <<TEXT
A server and its clients talk in a namespace of their own: port 8080 answers and is closed by the client, on IPv4
and IPv6; 8081 waits 300 ms before it closes; 8082 accepts late and closes first; clients reset 8083; nobody
listens on 9. Each connection is told twice, for it has two ends, and both are on this host.

\$ synfin trace --netns $ns
TEXT
watch 1 trace --netns "/run/netns/$ns"
sed -n 1,40p "$tmp/out"

cat <<TEXT

More of the same, counted as latency histograms of the whole host (some of them, and all counters):

\$ synfin hist
TEXT
watch 50 hist
awk 'BEGIN { RS = ""; ORS = "\n\n" } /^(handshake role|accept_wait|close_state state=(close|fin)_wait|opens)/' "$tmp/out"
cat "$tmp/err"
