#!/bin/sh
# What digest has to remember between two runs of a workflow: one encrypted backup, on a branch of its own without a
# history. How it is used: digest.yml. How to set it up: docs/deploy/github.md
#
#   state.sh fetch    bring the store back. If a job that sends ended without saving, nobody knows what it sent: then
#                     everything that it may have sent is held, until you decide (digest doubts)
#   state.sh begin    note that mail is under way
#   state.sh save     back the store up, and take the note away
#
# STATE_BRANCH names the branch, STATE_KEY is the key: a long random text, kept as a secret of the repository.
set -eu
branch=${STATE_BRANCH:-digest-state}
config=${DIGEST_CONFIG:-config.yaml}
cipher="-aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -pass env:STATE_KEY"
[ -n "${STATE_KEY:-}" ] || { echo "state: the secret STATE_KEY is not set" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Files of the branch as they are at the server: 0 they are here now, 2 there is no such branch. Anything else must not be
# taken for "nothing known yet".
pull() {
    found=0
    git ls-remote --exit-code --heads origin "refs/heads/$branch" > "$work/heads" || found=$?
    [ "$found" -eq 0 ] || return "$found"
    git fetch --quiet --depth=1 origin "refs/heads/$branch"
    head=$(git rev-parse FETCH_HEAD)
}

has() { git cat-file -e "$head:$1" 2>/dev/null; }

# push NAME...: the branch is these files of $work from now on, in one commit without parents.
push() {
    for name in "$@"; do
        printf '100644 blob %s\t%s\n' "$(git hash-object -w "$work/$name")" "$name"
    done > "$work/tree"
    tree=$(git mktree < "$work/tree")
    who="-c user.name=digest -c user.email=digest@users.noreply.github.com"
    # shellcheck disable=SC2086
    commit=$(git $who commit-tree "$tree" -m "State of digest, encrypted")
    git push --quiet --force origin "$commit:refs/heads/$branch"
}

case "${1:-}" in
fetch)
    code=0
    pull || code=$?
    if [ "$code" -eq 2 ]; then
        echo "state: none yet, this is the first run"
        exit 0
    fi
    [ "$code" -eq 0 ] || { echo "state: the branch $branch cannot be fetched; nothing was done" >&2; exit 1; }
    if ! has state; then
        echo "state: the first run ended before it could save what it sent; delete the branch $branch to begin anew" >&2
        exit 1
    fi
    git cat-file blob "$head:state" > "$work/state"
    # shellcheck disable=SC2086
    openssl enc -d $cipher -in "$work/state" -out "$work/backup" ||
        { echo "state: STATE_KEY is not the key that it was saved with" >&2; exit 1; }
    if has unsaved; then
        echo "state: the run before ended without saving; what it may have sent is held"
        digest restore "$work/backup" --config "$config" --force
    else
        digest restore "$work/backup" --config "$config" --force --nothing-sent
    fi
    ;;
begin)
    date -u +%Y-%m-%dT%H:%M:%SZ > "$work/unsaved"
    if pull && has state; then
        git cat-file blob "$head:state" > "$work/state"
        push state unsaved
    else
        push unsaved
    fi
    ;;
save)
    digest backup "$work/backup" --config "$config"
    # shellcheck disable=SC2086
    openssl enc $cipher -in "$work/backup" -out "$work/state"
    push state
    ;;
*)
    echo "usage: state.sh fetch|begin|save" >&2
    exit 2
    ;;
esac
