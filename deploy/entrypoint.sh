#!/bin/sh
# Secrets that come as files: NAME_FILE names the file whose content becomes NAME. Then the command, in this place.
set -eu
for name in PGPASSWORD DIGEST_STORE DIGEST_SECRET DIGEST_SMTP_PASSWORD; do
    file=$(eval "printf '%s' \"\${${name}_FILE:-}\"")
    [ -n "$file" ] || continue
    value=$(cat "$file") || { echo "digest: ${name}_FILE: $file cannot be read" >&2; exit 2; }
    export "$name=$value"
    unset "${name}_FILE"
done
exec "$@"
