#!/bin/sh
# Makes the user «vitrine» of compose.secure.yaml, with the rights that hosts need and no others. Again to change the password.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ -f "$here/.env" ] && . "$here/.env"
: "${VITRINE_KAFKA_PASSWORD:?Write one into $here/.env}"
inside="docker compose -f $here/compose.secure.yaml exec -T kafka /opt/kafka/bin"
at="--bootstrap-server 127.0.0.1:9095"

$inside/kafka-configs.sh $at --alter --entity-type users --entity-name vitrine --add-config "SCRAM-SHA-512=[password=$VITRINE_KAFKA_PASSWORD]"
# What hosts write and read; Create and DescribeConfigs so that they make topics and see how these are kept; Delete for the doctor's own.
$inside/kafka-acls.sh $at --add --allow-principal User:vitrine --topic vitrine. --resource-pattern-type prefixed \
  --operation Describe --operation Read --operation Write --operation Create --operation DescribeConfigs --operation Delete
# Groups: of hosts, and the doctor's.
$inside/kafka-acls.sh $at --add --allow-principal User:vitrine --group vitrine. --resource-pattern-type prefixed --operation Read --operation Describe
# Transactions: what is done exactly once.
$inside/kafka-acls.sh $at --add --allow-principal User:vitrine --transactional-id vitrine. --resource-pattern-type prefixed --operation Write --operation Describe
$inside/kafka-acls.sh $at --list --principal User:vitrine
