# shellcheck shell=bash
# The certificates of a secure test cluster, made with openssl: an authority of its own, what that signed, and what a
# client or server should refuse. To be sourced after terminal.sh.
#
# In the folder, as PEM, each NAME.pem with its NAME.key:
#   ca.pem               the authority; other-ca.pem another one
#   server               for localhost and 127.0.0.1
#   expired, wrong-host, unknown-ca
#                        like it, but: over since 2020; for elsewhere.example; signed by other-ca
#   svc, guest           clients, by these names
#   svc-encrypted.key    the key of svc, behind the pass phrase svc-secret; svc.p12 holds all of svc behind the same

make_certificates() { # FOLDER
  local valid=(20200101000000Z 20991231000000Z) past=(20200101000000Z 20200201000000Z)
  (
    umask 077
    mkdir -p "$1/issued"
    cd "$1"
    : >issued/index
    write_authority_configuration >issued/openssl.conf
    make_authority ca
    make_authority other-ca
    issue ca server localhost DNS:localhost,IP:127.0.0.1 "${valid[@]}"
    issue ca expired localhost DNS:localhost,IP:127.0.0.1 "${past[@]}"
    issue ca wrong-host elsewhere.example DNS:elsewhere.example "${valid[@]}"
    issue other-ca unknown-ca localhost DNS:localhost,IP:127.0.0.1 "${valid[@]}"
    issue ca svc svc DNS:svc "${valid[@]}"
    issue ca guest guest DNS:guest "${valid[@]}"
    pack_up svc svc-secret
    rm -r issued
  ) || fail "could not make the certificates in $1"
}

# `openssl ca` alone can set both dates of a certificate, with every OpenSSL that is around.
write_authority_configuration() {
  cat <<'CONF'
[req]
distinguished_name = subject
[subject]
[ca]
default_ca = authority
[authority]
database = issued/index
new_certs_dir = issued
rand_serial = yes
unique_subject = no
default_md = sha256
policy = anything
x509_extensions = leaf
[anything]
commonName = supplied
[authority_extensions]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = ${ENV::NAMES}
CONF
}

make_authority() { # NAME
  NAMES=DNS:none silently openssl req -x509 -config issued/openssl.conf -extensions authority_extensions -days 36500 \
    -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.pem" -subj "/CN=kafkavisor test $1"
}

issue() { # AUTHORITY FILE COMMON-NAME ALTERNATIVE-NAMES FROM UNTIL
  local -x NAMES=$4
  silently openssl req -new -config issued/openssl.conf -subj "/CN=$3" \
    -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$2.key" -out issued/request
  silently openssl ca -batch -notext -config issued/openssl.conf -cert "$1.pem" -keyfile "$1.key" \
    -startdate "$5" -enddate "$6" -in issued/request -out "$2.pem"
  cat "$2.key" "$2.pem" >"$2.store.pem" # as Java wants them: one file
}

pack_up() { # NAME PASS-PHRASE
  silently openssl pkcs8 -topk8 -in "$1.key" -passout "pass:$2" -out "$1-encrypted.key"
  silently openssl pkcs12 -export -in "$1.pem" -inkey "$1.key" -certfile ca.pem -passout "pass:$2" -out "$1.p12"
}

# openssl tells of its progress; what went wrong is in there too.
silently() { # COMMAND...
  local said
  said=$("$@" 2>&1 </dev/null) && return
  say "$said"
  exit 1
}
