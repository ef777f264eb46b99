#!/bin/sh
# Makes an authority, and a certificate for the broker that it signs: deploy/kafka/certificates.sh [FOLDER]
# authority.pem goes to each host; authority.key goes nowhere. What is there is kept: remove broker.pem to have another one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ -f "$here/.env" ] && . "$here/.env"
host=${KAFKA_HOST:-localhost}
folder=${1:-$here/certificates}
mkdir -p "$folder"
cd "$folder"

if [ ! -f authority.pem ]; then
  (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out authority.key)
  openssl req -x509 -new -key authority.key -sha256 -days 3650 -subj "/CN=Vitrine's Kafka authority" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" -out authority.pem
fi

if [ ! -f broker.pem ]; then
  case $host in
    *[!0-9.]*) names="DNS:$host" ;;
    *) names="IP:$host" ;;
  esac
  # Clients compare the name that they connect to with these, and with nothing else in the certificate.
  names="$names,DNS:localhost,IP:127.0.0.1"
  key=$(mktemp)
  request=$(mktemp)
  extensions=$(mktemp)
  trap 'rm -f "$key" "$request" "$extensions"' EXIT
  openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$key"
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$names" > "$extensions"
  openssl req -new -key "$key" -subj "/CN=$host" -out "$request"
  openssl x509 -req -in "$request" -CA authority.pem -CAkey authority.key -CAcreateserial -days 825 -sha256 -extfile "$extensions" -out broker.crt
  cat "$key" broker.crt authority.pem > broker.pem
  rm broker.crt
  # The broker is user 1000 in its container.
  if [ "$(id -u)" = 0 ]; then
    chown 1000 broker.pem && chmod 600 broker.pem
  elif [ "$(id -u)" = 1000 ]; then
    chmod 600 broker.pem
  else
    chmod 644 broker.pem
    echo "Others on this machine can read $folder/broker.pem: sudo chown 1000 and chmod 600 it." >&2
  fi
fi

echo "$folder/authority.pem is for the hosts; broker.pem is for $host:"
openssl x509 -in broker.pem -noout -subject -enddate -ext subjectAltName
