#!/bin/sh
# Runs `digest run` again and again, for containers that have no timer.
#
#   digest-every --config /data/config.yaml     every DIGEST_EVERY seconds (300), until told to stop
#   digest-every --healthy                      exit code 0 if a run ended not long ago
#
# A run with failures (exit code 1) has told them, and the next one makes up for it. A bad configuration (2) ends this.
set -u
every=${DIGEST_EVERY:-300}
alive=${DIGEST_ALIVE:-/tmp/digest-alive}

if [ "${1:-}" = --healthy ]; then
    last=$(cat "$alive" 2>/dev/null) || { echo "no run has ended yet"; exit 1; }
    ago=$(($(date +%s) - last))
    [ "$ago" -le $((3 * every + 60)) ] && exit 0
    echo "the last run ended $ago seconds ago"
    exit 1
fi

# The run in hand is told to stop and waited for, so that no mail is left half sent.
child=
stop() {
    trap '' TERM INT
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        wait "$child"
    fi
    exit 0
}
trap stop TERM INT

while :; do
    begun=$(date +%s)
    digest run "$@" &
    child=$!
    wait "$child"
    code=$?
    [ "$code" -eq 2 ] && exit 2
    date +%s > "$alive"
    left=$((every - $(date +%s) + begun))
    [ "$left" -gt 0 ] || left=1
    sleep "$left" &
    child=$!
    wait "$child"
done
