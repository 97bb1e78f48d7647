# The server beside OpenBao's, on the same TLS and with the same client; sourced by scripts/bench.

# One CA and one certificate for both servers.
make_server_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$place/ca.key" -out "$place/ca.pem" \
        -subj /CN=bench -days 30 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$place/tls.key" -out "$place/tls.csr" \
        -subj /CN=localhost 2>/dev/null
    echo 'subjectAltName=DNS:localhost,DNS:bench.vault.localhost,DNS:remote.vault.localhost,DNS:login.vault.localhost' >"$place/tls.ext"
    openssl x509 -req -in "$place/tls.csr" -CA "$place/ca.pem" -CAkey "$place/ca.key" -CAcreateserial \
        -out "$place/tls.pem" -days 30 -extfile "$place/tls.ext" 2>/dev/null
    chmod 600 "$place/tls.key"
}

start_openbao() {
    bao_port=$(free_port 18200)
    cat >"$place/bao.hcl" <<END
storage "inmem" {}
listener "tcp" {
  address = "127.0.0.1:$bao_port"
  tls_cert_file = "$place/tls.pem"
  tls_key_file = "$place/tls.key"
}
disable_mlock = true
END
    "$STRONGROOM_OPENBAO" server -config "$place/bao.hcl" >"$place/bao.log" 2>&1 &
    started+=($!)
    export BAO_ADDR=https://localhost:$bao_port BAO_CACERT=$place/ca.pem
    for _ in {1..50}; do curl -s --cacert "$place/ca.pem" "$BAO_ADDR/v1/sys/health" >/dev/null && break; sleep 0.2; done
    "$STRONGROOM_OPENBAO" operator init -key-shares=1 -key-threshold=1 -format=json >"$place/bao.json"
    local key
    key=$(sed -n '/unseal_keys_b64/{n;s/[ ",]//g;p}' "$place/bao.json")
    "$STRONGROOM_OPENBAO" operator unseal "$key" >/dev/null
    BAO_TOKEN=$(sed -n 's/.*"root_token": "\(.*\)".*/\1/p' "$place/bao.json")
    export BAO_TOKEN
    "$STRONGROOM_OPENBAO" secrets enable transit >/dev/null
    "$STRONGROOM_OPENBAO" secrets enable -path=kv -version=2 kv >/dev/null
    "$STRONGROOM_OPENBAO" write -f transit/keys/p256 type=ecdsa-p256 >/dev/null
    "$STRONGROOM_OPENBAO" write -f transit/keys/rsa2048 type=rsa-2048 >/dev/null
    "$STRONGROOM_OPENBAO" kv put -mount=kv s value="$secret_value" >/dev/null
}

# start_server [NAME OPTIONS]: a vault with a target for its backups, served with an identity that may do everything.
start_server() {
    local name=${1:-bench}
    our_port=$(free_port 18443)
    [[ -d $place/$name ]] || STRONGROOM_VAULT=$place/$name "$cli" --pin-file "$place/pin" init >/dev/null 2>&1
    mkdir -p "$place/backups"
    printf 'vaults_dir = "none"\n[[vault]]\nname = "%s"\npath = "%s"\n[[backup_target]]\nname = "bench"\ndirectory = "%s"\n' \
        "$name" "$place/$name" "$place/backups" >"$place/server.toml"
    chmod 600 "$place/server.toml"
    STRONGROOM_CONF=$place/server.toml "$cli" --pin-file "$place/pin" --vault "$name" serve --dev --listen "127.0.0.1:$our_port" \
        --tls-certificate "$place/tls.pem" --tls-key "$place/tls.key" "${@:2}" >"$place/serve.log" 2>&1 &
    server=$!
    started+=("$server")
    for _ in {1..50}; do grep -q '^Listening' "$place/serve.log" && break; sleep 0.2; done
    client_id=$(sed -n 's/.*AZURE_CLIENT_ID=//p' "$place/serve.log")
    client_secret=$(sed -n 's/.*AZURE_CLIENT_SECRET=//p' "$place/serve.log")
    token=$(ask login POST /adfs/oauth2/v2.0/token -d grant_type=client_credentials -d "client_id=$client_id" \
        -d "client_secret=$client_secret" -d "scope=https://vault.localhost:$our_port/.default" |
        sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
    [[ -n $token ]] || die "no token: $(<"$place/serve.log")"
}

# ask VAULT|login METHOD PATH CURL-ARGUMENTS...
ask() {
    curl -sS --cacert "$place/ca.pem" --resolve "$1.vault.localhost:$our_port:127.0.0.1" -X "$2" \
        "https://$1.vault.localhost:$our_port$3" "${@:4}"
}

# tell METHOD PATH JSON: a request to the vault.
tell() {
    ask bench "$1" "$2?api-version=7.6" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d "$3"
}

# our_request METHOD PATH [JSON], bao_request METHOD PATH [JSON]: one request of a file for benches/c/requests.c.
our_request() {
    printf '%s %s?api-version=7.6 HTTP/1.1\r\nHost: bench.vault.localhost:%s\r\nAuthorization: Bearer %s\r\n' \
        "$1" "$2" "$our_port" "$token"
    end_request "${3:-}"
}
bao_request() {
    printf '%s %s HTTP/1.1\r\nHost: localhost:%s\r\nX-Vault-Token: %s\r\n' "$1" "$2" "$bao_port" "$BAO_TOKEN"
    end_request "${3:-}"
}
end_request() {
    [[ -z $1 ]] || printf 'Content-Type: application/json\r\nContent-Length: %s\r\n' "${#1}"
    printf '\r\n%s\036' "$1"
}

secret_value=kX7vQ2mR9tLw4nZc8pJd5hYs3bGf6a
digest=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8

make_requests() {
    local kind
    tell POST /keys/p256/create '{"kty":"EC","crv":"P-256"}' >/dev/null
    tell POST /keys/rsa2048/create '{"kty":"RSA","key_size":2048}' >/dev/null
    tell POST /keys/rsa4096/create '{"kty":"RSA","key_size":4096}' >/dev/null
    tell PUT /secrets/s "{\"value\":\"$secret_value\"}" >/dev/null
    our_request POST /keys/p256//sign "{\"alg\":\"ES256\",\"value\":\"$digest\"}" >"$place/ours.p256"
    for kind in rsa2048 rsa4096; do
        our_request POST /keys/$kind//sign "{\"alg\":\"RS256\",\"value\":\"$digest\"}" >"$place/ours.$kind"
    done
    our_request GET /secrets/s/ >"$place/ours.secret"
    bao_request POST /v1/transit/sign/p256 \
        "{\"input\":\"${digest}=\",\"prehashed\":true,\"marshaling_algorithm\":\"jws\"}" >"$place/bao.p256"
    bao_request POST /v1/transit/sign/rsa2048 \
        "{\"input\":\"${digest}=\",\"prehashed\":true,\"signature_algorithm\":\"pkcs1v15\"}" >"$place/bao.rsa2048"
    bao_request GET /v1/kv/data/s >"$place/bao.secret"
}

# load ours|bao FILE CONNECTIONS EXPECTED [SECONDS]
load() {
    local port=$our_port name=bench.vault.localhost
    [[ $1 == ours ]] || { port=$bao_port name=localhost; }
    "$place/requests" "$port" "$name" "$place/ca.pem" "$3" "${5:-$seconds}" "$4" "$place/$1.$2"
}

measure_server() {
    local kind connections run expected target ours bao_rate
    need_packages curl
    need_openbao
    gcc -O2 -D_GNU_SOURCE -o "$place/requests" benches/c/requests.c -lssl -lcrypto -lpthread
    printf '%s' "$PIN" >"$place/pin"
    chmod 600 "$place/pin"
    make_server_certificate
    start_openbao
    start_server
    make_requests
    heading "server, requests a second, beside OpenBao"
    for connections in 8 32; do
        for kind in p256 rsa2048 secret; do
            case $kind in p256) target=4 ;; *) target=3 ;; esac
            for ((run = 0; run < runs; run++)); do
                expected='"value":"' && [[ $kind != secret ]] || expected=$secret_value
                load ours $kind $connections "$expected" >>"$place/server.ours.$kind.$connections"
                expected='"signature":"' && [[ $kind != secret ]] || expected=$secret_value
                load bao $kind $connections "$expected" >>"$place/server.bao.$kind.$connections"
            done
            report_server $kind $connections $target
        done
    done
    measure_check
    measure_mixture
    measure_population
}

report_server() {
    local ours bao_rate file=$place/server.ours.$1.$2 p50 p99
    [[ $(field 4 <"$file" | sort -n | tail -n 1) == 0 ]] || die "$1: some answers were wrong"
    ours=$(field 1 <"$file" | median)
    bao_rate=$(field 1 <"$place/server.bao.$1.$2" | median)
    row "$1, $2 connections ($(field 1 <"$file" | spread))" "$ours" \
        "OpenBao $bao_rate ($(field 1 <"$place/server.bao.$1.$2" | spread))" "$(calc "$ours / $bao_rate")" at-least "$3"
    if [[ $2 == 32 ]]; then
        p50=$(field 2 <"$file" | median) p99=$(field 3 <"$file" | median)
        row "$1, 32 connections, p99 in µs" "$p99" "its median $p50" "$(calc "$p99 / $p50")" at-most 4
    fi
}

# What it costs to find out whom a request is from, whose token was seen before: measured by itself, and taken off a request over
# the network, which can't be made without; then the same, and whole requests, among many identities and role assignments.
measure_check() {
    local identities=10000 assignments=1000 kind few many run whole
    heading "server, whom a request is from"
    for ((run = 0; run < runs; run++)); do
        "$authentication" $((3 * seconds)) $identities $assignments >>"$place/server.check"
        for kind in p256 secret; do
            many='"value":"' && [[ $kind != secret ]] || many=$secret_value
            load ours $kind 1 "$many" >>"$place/server.whole.$kind"
        done
    done
    few=$(awk '$1 == "check" { print $2 }' "$place/server.check" | median)
    for kind in p256 secret; do
        whole=$(field 2 <"$place/server.whole.$kind" | median)
        row "$kind, one connection, median in µs" "$whole" "without the check $(calc "$whole - $few / 1000" 1)" \
            "$(calc "$whole / ($whole - $few / 1000)" 3)" at-most 1.05
    done
    for kind in check sign secret; do
        few=$(awk -v kind=$kind '$1 == kind { print $2 }' "$place/server.check" | median)
        many=$(awk -v kind=$kind '$1 == kind { print $3 }' "$place/server.check" | median)
        row "$kind in the process, $identities and $assignments, ns" "$many" "10 and 10: $few" "$(calc "$many / $few")" at-most 1.1
    done
}

# RSA-4096 on eight connections, P-256 on eight others.
measure_mixture() {
    local run single p99
    heading "server, ECDSA while RSA is busy"
    for ((run = 0; run < runs; run++)); do
        load ours rsa4096 1 '"value":"' 2 >>"$place/server.single"
        load ours rsa4096 8 '"value":"' $((seconds + 3)) >/dev/null &
        load ours p256 8 '"value":"' >>"$place/server.mixed"
        wait $!
    done
    single=$(field 2 <"$place/server.single" | median)
    p99=$(field 3 <"$place/server.mixed" | median)
    row "P-256's p99 beside 8 × RSA-4096, µs" "$p99" "RSA-4096, one: $single" "$(calc "$p99 / $single")" at-most 5
}

# 10,000 keys of three versions and five tags, all used once: memory, the cost of a request, a cold start.
measure_population() {
    local number few many memory begin count=10000
    [[ -z $quick ]] || count=1000
    heading "server, $count EC keys of 3 versions and 5 tags"
    few=$(load ours p256 8 '"value":"' | field 2)
    for ((number = 0; number < count; number++)); do
        our_request POST /keys/many-$number/create \
            '{"kty":"EC","crv":"P-256","tags":{"a":"1","b":"2","c":"3","d":"4","e":"5"}}'
    done >"$place/ours.fill"
    for ((number = 0; number < count; number++)); do
        our_request POST /keys/many-$number//sign "{\"alg\":\"ES256\",\"value\":\"$digest\"}"
    done >"$place/ours.all"
    say "creating $((count * 3)) versions"
    "$place/requests" "$our_port" bench.vault.localhost "$place/ca.pem" 8 0 '"kid":"' "$place/ours.fill" $((count * 3)) >/dev/null
    "$place/requests" "$our_port" bench.vault.localhost "$place/ca.pem" 8 0 '"value":"' "$place/ours.all" $count >/dev/null
    memory=$(awk '/^Pss:/ { print int($2 / 1024) }' "/proc/$server/smaps_rollup")
    row "memory when all were used, MiB" "$memory" "" "$memory" at-most 200
    many=$(load ours p256 8 '"value":"' | field 2)
    row "median of a signature among them, µs" "$many" "alone $few" "$(calc "$many / $few")" at-most 1.1
    kill "$server"
    wait "$server" 2>/dev/null || true
    begin=$(date +%s%N)
    STRONGROOM_VAULT=$place/bench "$cli" --pin-file "$place/pin" serve --listen "127.0.0.1:$our_port" \
        --tls-certificate "$place/tls.pem" --tls-key "$place/tls.key" >"$place/serve.log" 2>&1 &
    server=$!
    started+=("$server")
    until ask bench GET /readyz 2>/dev/null | grep -q ready; do sleep 0.01; done
    row "cold start, ms" "$((($(date +%s%N) - begin) / 1000000))" "" "$((($(date +%s%N) - begin) / 1000000))" at-most 1000
}
