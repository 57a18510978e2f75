#!/bin/sh
# Starts Postfix as a relay, in the foreground.
#
#   RELAY_HOST       [smtp.example.com]:587, your provider's server; without it mail goes straight to its readers
#   RELAY_LOGIN_FILE file with one line, USER:PASSWORD, for that server
#   RELAY_SECURITY   secure (verified TLS, with RELAY_HOST the default), encrypt, may (straight to readers, the default)
#   RELAY_NAME       the name that it has for others, and in its certificate (relay)
#   RELAY_NETWORKS   who may send (the private networks that containers have)
set -eu
name=${RELAY_NAME:-relay}
conf=/run/relay
mkdir -p "$conf/data"
chown postfix "$conf/data"
cp /etc/digest-relay/main.cf /etc/digest-relay/master.cf "$conf/"

# A certificate of its own: those who send trust this one and no other (mail.ca_file).
if [ ! -s /tls/cert.pem ]; then
    (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj "/CN=$name" -addext "subjectAltName=DNS:$name" -keyout /tls/key.pem -out /tls/new.pem 2>/dev/null)
    chmod 644 /tls/new.pem
    mv /tls/new.pem /tls/cert.pem
fi

put() { postconf -c "$conf" -e "$1 = $2"; }
put myhostname "$name"
put mynetworks "${RELAY_NETWORKS:-127.0.0.0/8 [::1]/128 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 [fc00::]/7}"
put smtpd_tls_chain_files "/tls/key.pem, /tls/cert.pem"
put relayhost "${RELAY_HOST:-}"
put smtp_tls_security_level "${RELAY_SECURITY:-$([ -n "${RELAY_HOST:-}" ] && echo secure || echo may)}"
if [ -n "${RELAY_HOST:-}" ] && [ -s "${RELAY_LOGIN_FILE:-}" ]; then
    (umask 077 && printf '%s %s\n' "$RELAY_HOST" "$(cat "$RELAY_LOGIN_FILE")" > "$conf/login")
    put smtp_sasl_auth_enable yes
    put smtp_sasl_password_maps "texthash:$conf/login"
fi
exec postfix -c "$conf" start-fg
