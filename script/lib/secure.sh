# shellcheck shell=bash disable=SC2154
# What a secure cluster has beyond a plain one: its listeners, its ZooKeeper's TLS, users, rights and token service.
# To be sourced after servers.sh and certificates.sh, with dir and lib set (see script/cluster).

certificates_of_cluster() { printf '%s\n' "$dir/certificates"; }

# Each listener beside the plain one: its name and protocol.
secure_listeners=(
  TLS:SSL MUTUAL_TLS:SSL SASL_TLS:SASL_SSL SASL_PLAIN_TEXT:SASL_PLAINTEXT EXPIRED:SSL WRONG_HOST:SSL UNKNOWN_CA:SSL
)
# Who may log in with PLAIN and SCRAM. A token is for whoever asks.
secure_users=(admin svc guest)

secure_port_names() { # SERVER
  local listener
  case $1 in
    zookeeper*) printf '%s\n' "$1.tls" ;;
    kafka*) for listener in "${secure_listeners[@]}"; do printf '%s\n' "$1.${listener%:*}"; done ;;
  esac
}

# Before any server is configured: all of them read these files.
make_secrets() {
  need_openssl
  make_certificates "$(certificates_of_cluster)"
  (
    umask 077
    silently openssl genrsa -out "$dir/conf/token.key" 2048
  ) || exit 1
  python3 "$lib/token-service.py" keys "$dir/conf/token.key" >"$dir/conf/token-keys.json"
}

# A client certificate is asked for, which is ZooKeeper's own default.
write_secure_zookeeper() { # NAME
  local certificates
  certificates=$(certificates_of_cluster)
  cat <<CONF
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
secureClientPort=$(port_of "$1.tls")
secureClientPortAddress=127.0.0.1
ssl.keyStore.type=PEM
ssl.keyStore.location=$certificates/server.store.pem
ssl.trustStore.type=PEM
ssl.trustStore.location=$certificates/ca.pem
ssl.clientAuth=need
CONF
}

secure_listener_addresses() { # NAME: to follow the plain one
  local listener
  for listener in "${secure_listeners[@]}"; do
    printf ',%s://127.0.0.1:%s' "${listener%:*}" "$(port_of "$1.${listener%:*}")"
  done
}

# The plain listener is for the tests' own clients and for the brokers among themselves: who comes without a name may
# all. So do those that come by TLS without a certificate; for rights one needs a name.
write_secure_broker() {
  local certificates protocols listener user users=''
  certificates=$(certificates_of_cluster)
  protocols=$(IFS=, && printf '%s' "${secure_listeners[*]}")
  for user in "${secure_users[@]}"; do users+=" user_$user=\"$user-secret\""; done
  cat <<CONF
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,$protocols
inter.broker.listener.name=PLAINTEXT
authorizer.class.name=kafka.security.authorizer.AclAuthorizer
super.users=User:ANONYMOUS;User:admin
ssl.keystore.type=PEM
ssl.keystore.location=$certificates/server.store.pem
ssl.truststore.type=PEM
ssl.truststore.location=$certificates/ca.pem
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*\$/\$1/
listener.name.mutual_tls.ssl.client.auth=required
sasl.oauthbearer.jwks.endpoint.url=file://$dir/conf/token-keys.json
sasl.oauthbearer.expected.audience=kafka
CONF
  for listener in expired wrong-host unknown-ca; do
    printf 'listener.name.%s.ssl.keystore.location=%s\n' "${listener//-/_}" "$certificates/$listener.store.pem"
  done
  local security=org.apache.kafka.common.security
  cat <<CONF
listener.name.sasl_plain_text.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_tls.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl_tls.plain.sasl.jaas.config=$security.plain.PlainLoginModule required$users;
listener.name.sasl_tls.oauthbearer.connections.max.reauth.ms=3600000
listener.name.sasl_tls.oauthbearer.sasl.jaas.config=$security.oauthbearer.OAuthBearerLoginModule required;
listener.name.sasl_tls.oauthbearer.sasl.server.callback.handler.class=$security.oauthbearer.OAuthBearerValidatorCallbackHandler
CONF
  for listener in sasl_plain_text.scram-sha-{256,512} sasl_tls.scram-sha-{256,512}; do
    printf 'listener.name.%s.sasl.jaas.config=%s.scram.ScramLoginModule required;\n' "$listener" "$security"
  done
}

# What Kafka keeps itself, so that it is told once it runs. Saying it again changes nothing.
settle_users() {
  local user
  for user in "${secure_users[@]}"; do change_rights user "$user" "$user-secret"; done
  change_rights allow svc read 'topic:*'
  change_rights allow svc read 'group:*'
}

change_rights() { # user|allow|revoke ARGUMENT...
  local broker ports logins
  ports=$(for broker in $(kafka_names); do port_of "$broker"; done | paste -sd,)
  logins=$(for broker in $(kafka_names); do port_of "$broker.SASL_PLAIN_TEXT"; done | paste -sd,)
  python3 "$lib/rights.py" "$ports" "$logins" "$@" || exit
}

env_secure() { # PREFIX
  local listener broker zookeeper
  for listener in "${secure_listeners[@]}"; do
    # shellcheck disable=SC2046
    printf 'export %s_%s=%s\n' "$1" "${listener%:*}" \
      "$(addresses_of $(for broker in $(kafka_names); do printf '%s.%s\n' "$broker" "${listener%:*}"; done))"
  done
  # shellcheck disable=SC2046
  printf 'export %s_ZOOKEEPER_TLS=%s\n' "$1" \
    "$(addresses_of $(for zookeeper in $(zookeeper_names); do printf '%s.tls\n' "$zookeeper"; done))"
  printf 'export %s_TOKEN_URL=http://127.0.0.1:%s/token\n' "$1" "$(port_of tokens)"
  printf 'export %s_CERTIFICATES=%q\n' "$1" "$(certificates_of_cluster)"
}
