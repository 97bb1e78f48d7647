# Certificates that the server makes, and backups of a whole vault while it serves; sourced by scripts/bench.

# A vault of 10,000 objects, served; once for both sections.
start_full_server() {
    [[ -z ${full_server:-} ]] || return 0
    full_server=yes
    # The one before has another vault.
    if [[ -n ${server:-} ]]; then kill "$server" && wait "$server" 2>/dev/null || true; fi
    rm -rf "$place/bench"
    need_packages curl
    gcc -O2 -D_GNU_SOURCE -o "$place/requests" benches/c/requests.c -lssl -lcrypto -lpthread
    printf '%s' "$PIN" >"$place/pin"
    chmod 600 "$place/pin"
    make_server_certificate
    STRONGROOM_VAULT=$place/bench "$cli" --pin-file "$place/pin" init >/dev/null 2>&1
    say "10,000 objects"
    STRONGROOM_VAULT=$place/bench "$population" >/dev/null
    start_server
    tell POST /keys/p256/create '{"kty":"EC","crv":"P-256"}' >/dev/null
    our_request POST /keys/p256//sign "{\"alg\":\"ES256\",\"value\":\"$digest\"}" >"$place/ours.p256"
}

measure_certificates() {
    local number count=2000
    [[ -z $quick ]] || count=400
    start_full_server
    heading "server, certificates"
    for ((number = 0; number < count; number++)); do
        our_request POST /certificates/made-$number/create \
            '{"policy":{"issuer":{"name":"Self"},"key_props":{"kty":"EC","crv":"P-256"},"x509_props":{"subject":"CN=bench"}}}'
    done >"$place/ours.certificates"
    "$place/requests" "$our_port" bench.vault.localhost "$place/ca.pem" 32 0 '"csr":"' "$place/ours.certificates" $count \
        >"$place/certificates"
    [[ $(field 4 <"$place/certificates") == 0 ]] || die "certificates: some answers were wrong"
    row "P-256, issuer Self, 32 connections, a second" "$(field 1 <"$place/certificates")" "" \
        "$(field 1 <"$place/certificates")" at-least 200
}

# One backup after the other, each waited for; prints how long each took, in milliseconds.
back_up_for() {
    local begin job status until=$(($(date +%s) + $1))
    while (($(date +%s) < until)); do
        begin=$(date +%s%N)
        job=$(tell POST /backup "{\"storageResourceUri\":\"https://backup.vault.localhost:$our_port/bench\"}" |
            sed -n 's/.*"jobId":"\([^"]*\)".*/\1/p')
        [[ -n $job ]] || die "no backup began"
        while :; do
            status=$(ask bench GET "/backup/$job/pending" -H "Authorization: Bearer $token")
            [[ $status == *InProgress* ]] || break
            sleep 0.05
        done
        [[ $status == *Succeeded* ]] || die "a backup failed: $status"
        echo "$((($(date +%s%N) - begin) / 1000000))"
        rm -f "$place"/backups/*.backup
    done
}

measure_backup() {
    local run alone beside took
    start_full_server
    heading "server, backups of 10,000 objects while it signs"
    for ((run = 0; run < runs; run++)); do
        load ours p256 8 '"value":"' >>"$place/backup.alone"
        back_up_for $((seconds + 3)) >>"$place/backup.took" &
        load ours p256 8 '"value":"' >>"$place/backup.beside"
        wait $!
    done
    alone=$(field 3 <"$place/backup.alone" | median) beside=$(field 3 <"$place/backup.beside" | median)
    took=$(median <"$place/backup.took")
    row "one backup, ms ($(spread <"$place/backup.took"))" "$took" "" "$took" at-most 30000
    row "P-256's p99 beside backups, µs" "$beside" "alone $alone" "$(calc "$beside / $alone")" at-most 3
}
