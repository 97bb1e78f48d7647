/* A client that does nothing but full TLS handshakes with a server on this machine, as many at a time as it is told.
 *
 *   handshakes ADDRESS:PORT SECONDS tls1.2|tls1.3 CONCURRENT [CA.pem]
 *
 * Prints "done failed rate signature", with the kind of the server's key in the last word; the first failures go to stderr
 * with their cause. With a CA the server's certificate is verified and each connection also fetches a page, so that it
 * counts only if the server really answered. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

enum { MOST = 64, STUCK_SECONDS = 10 };
static const char REQUEST[] = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";

typedef enum { CONNECTING, SHAKING, WRITING, READING } Step;
typedef struct { SSL *ssl; int socket; short wants; Step step; double since; int answered; } Connection;

static struct sockaddr_in server;
static SSL_CTX *context;
static int fetch;
static long begun, done, failed;
static char kind[32] = "none";

static void die(const char *what) {
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void begin(Connection *with) {
    int one = 1;
    with->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (with->socket < 0) die("socket");
    setsockopt(with->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    /* Closed connections keep their ports for a minute, so that one source address would soon run out of them. */
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000101u + (unsigned)(begun++ / 8192 % 200))};
    setsockopt(with->socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(with->socket, (struct sockaddr *)&source, sizeof source)) die("bind");
    if (connect(with->socket, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) die("connect");
    with->ssl = SSL_new(context);
    SSL_set_fd(with->ssl, with->socket);
    SSL_set_connect_state(with->ssl);
    SSL_set_tlsext_host_name(with->ssl, "localhost");
    with->step = CONNECTING;
    with->wants = POLLOUT;
    with->since = now();
    with->answered = 0;
}

static void end(Connection *with, int good, const char *cause) {
    if (good) {
        if (!done++) {
            EVP_PKEY *key = X509_get0_pubkey(SSL_get0_peer_certificate(with->ssl));
            snprintf(kind, sizeof kind, "%s", EVP_PKEY_get0_type_name(key));
        }
    } else if (failed++ < 10) {
        fprintf(stderr, "handshake failed after %.3f s: %s (%s)\n", now() - with->since, cause, strerror(errno));
        ERR_print_errors_fp(stderr);
    }
    ERR_clear_error();
    if (good) SSL_shutdown(with->ssl);
    SSL_free(with->ssl);
    close(with->socket);
    begin(with);
}

/* What poll must wait for after this result; 0 if the connection is over. */
static short more(Connection *with, int result) {
    int error = SSL_get_error(with->ssl, result);
    if (error == SSL_ERROR_WANT_READ) return POLLIN;
    if (error == SSL_ERROR_WANT_WRITE) return POLLOUT;
    return 0;
}

static void advance(Connection *with) {
    char page[4096];
    int result = 1;
    errno = 0;
    if (with->step == CONNECTING) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(with->socket, SOL_SOCKET, SO_ERROR, &error, &length);
        errno = error;
        if (error) return end(with, 0, "connect");
        with->step = SHAKING;
    }
    if (with->step == SHAKING) {
        if ((result = SSL_do_handshake(with->ssl)) == 1) {
            if (!fetch) return end(with, 1, NULL);
            with->step = WRITING;
        }
    }
    if (with->step == WRITING && result == 1)
        if ((result = SSL_write(with->ssl, REQUEST, sizeof REQUEST - 1)) > 0) with->step = READING;
    if (with->step == READING && result > 0) {
        while ((result = SSL_read(with->ssl, page, sizeof page)) > 0) with->answered = 1;
        if (SSL_get_error(with->ssl, result) == SSL_ERROR_ZERO_RETURN) return end(with, with->answered, "no answer");
    }
    with->wants = more(with, result);
    if (!with->wants) end(with, 0, with->step == SHAKING ? "handshake" : "page");
}

static void prepare(char **argument, int count) {
    char *colon = strchr(argument[1], ':');
    if (!colon) exit(2);
    *colon = 0;
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, argument[1], &server.sin_addr) != 1) die(argument[1]);
    int version = !strcmp(argument[3], "tls1.2") ? TLS1_2_VERSION : TLS1_3_VERSION;
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if ((fetch = count > 5)) {
        if (SSL_CTX_load_verify_locations(context, argument[5], NULL) != 1) die(argument[5]);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    }
}

int main(int count, char **argument) {
    if (count < 5) return fprintf(stderr, "handshakes ADDRESS:PORT SECONDS tls1.2|tls1.3 CONCURRENT [CA.pem]\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    prepare(argument, count);
    int concurrent = atoi(argument[4]);
    if (concurrent < 1 || concurrent > MOST) return 2;
    Connection connections[MOST];
    struct pollfd polled[MOST];
    for (int i = 0; i < concurrent; i++) begin(&connections[i]);
    double start = now(), until = start + atof(argument[2]);
    while (now() < until) {
        for (int i = 0; i < concurrent; i++) polled[i] = (struct pollfd){connections[i].socket, connections[i].wants, 0};
        if (poll(polled, (nfds_t)concurrent, 100) < 0 && errno != EINTR) die("poll");
        for (int i = 0; i < concurrent; i++) {
            if (polled[i].revents) advance(&connections[i]);
            else if (now() - connections[i].since > STUCK_SECONDS) end(&connections[i], 0, "no progress");
        }
    }
    printf("%ld %ld %.1f %s\n", done, failed, (double)done / (now() - start), kind);
    return 0;
}
