# A key that stays at our server, beside the same key in a vault of this process; sourced by scripts/bench.

# The same vault for both: opened by the module itself, and asked for at the server.
start_remote() {
    mkdir "$place/sockets"
    # nginx's workers reach the socket by its group.
    if [[ $EUID -eq 0 ]]; then chgrp www-data "$place/sockets" && chmod 2750 "$place/sockets"; fi
    printf '%s' "$PIN" >"$place/pin"
    chmod 600 "$place/pin"
    ours remote init >/dev/null
    ours remote generate p256 bench-p256 id-p256 >/dev/null
    openssl req -x509 -nodes -newkey rsa:2048 -keyout "$place/remote.key" -out "$place/remote.crt" -subj /CN=localhost -days 30 2>/dev/null
    STRONGROOM_VAULT=$place/remote "$cli" --pin-file "$place/pin" key import bench-rsa2048 "$place/remote.key" >/dev/null
    make_server_certificate
    start_server remote --socket "$place/sockets/server"
    remote_configuration tls "ca_file = \"$place/ca.pem\""
    remote_configuration socket "socket = \"$place/sockets/server\""
    remote_configuration far "socket = \"$place/sockets/far\""
}

# remote_configuration NAME HOW: the server as a token, whose PIN is the client's secret.
remote_configuration() {
    cat >"$place/$1.toml" <<END
vaults_dir = "none"
[[vault]]
name = "remote"
backend = "azure"
url = "https://remote.vault.localhost:$our_port"
credential = "client-secret"
client_id = "$client_id"
refresh = 3600
$2
END
    chmod 600 "$place/$1.toml"
}

# there CONFIGURATION COMMAND...: the client with the module and the token at the server.
there() { STRONGROOM_CONF=$place/$1.toml PIN=$client_secret "$place/client" "$module" "${@:2}"; }

measure_remote() {
    local run way one two here verify added limit
    need_packages curl
    start_remote
    heading "a P-256 key at the server"
    for ((run = 0; run < runs; run++)); do
        ours remote sign p256 bench-p256 threads 1 "$seconds" >>"$place/remote.here"
        "$raw" p256-verify "$seconds" >>"$place/remote.verify"
        for way in socket tls; do
            there $way sign p256 bench-p256 threads 1 "$seconds" >>"$place/remote.$way.1"
            there $way sign p256 bench-p256 threads 2 "$seconds" >>"$place/remote.$way.2"
        done
    done
    here=$(field 2 <"$place/remote.here" | median)
    verify=$(field 2 <"$place/remote.verify" | median)
    while read -r way limit; do
        one=$(field 2 <"$place/remote.$way.1" | median)
        added=$(calc "$one - $here - $verify" 1)
        row "$way, µs a signature ($(field 2 <"$place/remote.$way.1" | spread)); more" "$one" "here $here + verify $verify" "$added" at-most "$limit"
        one=$(field 1 <"$place/remote.$way.1" | median)
        two=$(field 1 <"$place/remote.$way.2" | median)
        row "$way, 2 threads, a second ($(field 1 <"$place/remote.$way.2" | spread))" "$two" "1 thread $one" "$(calc "$two / $one")" at-least 1.6
    done <<<$'socket 120\ntls 200'
    measure_far
    measure_remote_nginx
    # What is measured next has a server of its own.
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
}

# Where the way takes 20 ms, threads wait side by side.
measure_far() {
    local run one many
    gcc -O2 -o "$place/delay" benches/c/delay.c
    "$place/delay" "$place/sockets/far" "$place/sockets/server" 20 &
    started+=($!)
    until [[ -S $place/sockets/far ]]; do sleep 0.01; done
    for ((run = 0; run < runs; run++)); do
        there far sign p256 bench-p256 threads 1 "$seconds" >>"$place/remote.far.1"
        there far sign p256 bench-p256 threads 32 "$seconds" >>"$place/remote.far.32"
    done
    one=$(field 1 <"$place/remote.far.1" | median)
    many=$(field 1 <"$place/remote.far.32" | median)
    row "20 ms away, 32 threads, a second" "$many" "1 thread $one" "$(calc "$many / $one" 1)" at-least 28
}

# Two workers; everything shares the cores: nginx, the server, and who shakes hands.
start_remote_nginx() {
    local kind
    vault_port=$(free_port 19443)
    pem_port=$(free_port $((vault_port + 1)))
    cat >"$place/remote-openssl.cnf" <<END
openssl_conf = init
[init]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = $module
PIN = $client_secret
init = 1
END
    {
        echo "user www-data; worker_processes 2; pid $place/remote-nginx.pid; error_log $place/remote-nginx.log warn;"
        echo "events { worker_connections 512; } http { access_log off; ssl_protocols TLSv1.2 TLSv1.3;"
        echo "ssl_session_tickets off; ssl_session_cache off; keepalive_timeout 0;"
        for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $place/remote-$kind;"; done
        echo "server { listen 127.0.0.1:$vault_port ssl; ssl_certificate $place/remote.crt; ssl_certificate_key \"engine:pkcs11:pkcs11:object=bench-rsa2048;type=private\"; }"
        echo "server { listen 127.0.0.1:$pem_port ssl; ssl_certificate $place/remote.crt; ssl_certificate_key $place/remote.key; }"
        echo "}"
    } >"$place/remote-nginx.conf"
    STRONGROOM_CONF=$place/socket.toml OPENSSL_CONF=$place/remote-openssl.cnf nginx -c "$place/remote-nginx.conf" -e "$place/remote-nginx.log"
    for _ in {1..50}; do [[ -s $place/remote-nginx.pid ]] && break; sleep 0.1; done
    started+=("$(<"$place/remote-nginx.pid")")
}

# remote_handshakes vault|pem PORT VERSION → appends the rate
remote_handshakes() {
    local result
    result=$("$place/handshakes" "127.0.0.1:$2" "$seconds" "$3" 8)
    awk '{ if (!$1 || $2) exit 1; print $3 }' <<<"$result" >>"$place/remote.nginx.$1.$3" ||
        die "$1 $3: handshakes failed: $result; $(<"$place/remote-nginx.log")"
}

measure_remote_nginx() {
    [[ $EUID -eq 0 ]] || { say "nginx: not measured, its master must be root"; return; }
    local run version vault pem vault_port pem_port
    start_remote_nginx
    heading "nginx, full handshakes a second, 2 workers, RSA-2048 key at the server"
    for version in tls1.3 tls1.2; do
        for ((run = 0; run < runs; run++)); do
            remote_handshakes vault "$vault_port" $version
            remote_handshakes pem "$pem_port" $version
        done
        vault=$(median <"$place/remote.nginx.vault.$version")
        pem=$(median <"$place/remote.nginx.pem.$version")
        row "$version ($(spread <"$place/remote.nginx.vault.$version"))" "$vault" "PEM $pem ($(spread <"$place/remote.nginx.pem.$version"))" "$(calc "$vault / $pem" 3)" at-least 0.8
    done
}
