#!/bin/sh
# haproxy-staple.sh PEM CA ROOT URL SOCKET: asks about the certificate in PEM, hands the answer to the HAProxy that runs,
# and puts it beside the certificate, as PEM.ocsp, for the next start.  Run it before the first start, then hourly.
set -eu
pem=$1 ca=$2 root=$3 url=$4 socket=$5
new=$pem.ocsp.new
trap 'rm -f "$new"' EXIT

# HAProxy does not check who signed: openssl does, and the script ends here when it is not satisfied.
openssl ocsp -no_nonce -issuer "$ca" -cert "$pem" -CAfile "$root" -url "$url" -respout "$new" >/dev/null

if [ -S "$socket" ]; then
    reply=$(printf 'set ssl ocsp-response <<\n%s\n\n' "$(base64 "$new")" | socat -t 10 - "UNIX-CONNECT:$socket")
    echo "$reply"
    [ "${reply#*OCSP Response updated}" != "$reply" ] || exit 1
fi
mv "$new" "$pem.ocsp"
