/*
 * Kept-alive HTTPS requests against a server on this machine: requests a second, median and 99th percentile.
 *
 *   requests PORT NAME CA CONNECTIONS SECONDS EXPECTED FILE [TIMES]
 *
 * FILE holds one or more whole HTTP/1.1 requests, each ended by the byte 0x1E; they are sent in turn. An answer counts if its
 * status is 200 to 202 and its body holds EXPECTED. NAME is checked against the server's certificate, which CA must have issued. Two
 * seconds of warming up are not counted. With TIMES so many requests are sent instead, and all are counted. Prints "REQUESTS_A_SECOND MEDIAN_US P99_US FAILED".
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SAMPLES = 4000000, ANSWER = 1 << 16, WARM_UP = 2 };

struct request {
    const char *bytes;
    size_t length;
};

static struct request *requests;
static size_t request_count;
static atomic_size_t turn;
static atomic_int phase; /* 0 warming up, 1 counting, 2 over */
static atomic_long failed;
static size_t times; /* 0: until the time is over */
static SSL_CTX *context;
static int port;
static const char *name, *expected;

struct client {
    pthread_t thread;
    float *samples;
    size_t count, room;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void fail(const char *what) {
    fprintf(stderr, "requests: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static SSL *connect_client(void) {
    int socket_number = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket_number, (struct sockaddr *)&address, sizeof address) != 0) fail("can't connect");
    setsockopt(socket_number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, socket_number);
    SSL_set_tlsext_host_name(ssl, name);
    SSL_set1_host(ssl, name);
    if (SSL_connect(ssl) != 1) fail("the handshake failed");
    return ssl;
}

/* Reads one answer; 1 if it is what was expected. */
static int read_answer(SSL *ssl, char *answer) {
    size_t got = 0, needed = 0;
    char *body = NULL;
    while (body == NULL || got < needed) {
        if (got + 1 >= ANSWER) fail("an answer is too long");
        int part = SSL_read(ssl, answer + got, (int)(ANSWER - 1 - got));
        if (part <= 0) fail("the server closed the connection");
        got += part;
        answer[got] = 0;
        if (body == NULL && (body = strstr(answer, "\r\n\r\n")) != NULL) {
            char *length = strcasestr(answer, "\r\ncontent-length:");
            body += 4;
            if (length == NULL || length > body) fail("an answer has no length");
            needed = (body - answer) + strtoul(length + 17, NULL, 10);
        }
    }
    return strncmp(answer, "HTTP/1.1 20", 11) == 0 && strchr("012", answer[11]) != NULL && strstr(body, expected) != NULL;
}

static void *run(void *argument) {
    struct client *client = argument;
    char *answer = malloc(ANSWER);
    SSL *ssl = connect_client();
    while (atomic_load(&phase) < 2) {
        size_t number = atomic_fetch_add(&turn, 1);
        if (times != 0 && number >= times) break;
        const struct request *request = &requests[number % request_count];
        double begin = now();
        if (SSL_write(ssl, request->bytes, (int)request->length) != (int)request->length) fail("can't write");
        int good = read_answer(ssl, answer);
        double took = now() - begin;
        if (!good && atomic_fetch_add(&failed, 1) == 0) fprintf(stderr, "requests: answered %s\n", answer);
        if (atomic_load(&phase) == 1 && client->count < client->room) client->samples[client->count++] = (float)took;
    }
    return NULL;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void read_requests(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail("can't read the requests");
    fseek(file, 0, SEEK_END);
    size_t length = ftell(file);
    rewind(file);
    char *bytes = malloc(length + 1);
    if (fread(bytes, 1, length, file) != length) fail("can't read the requests");
    for (size_t start = 0, at = 0; at < length; at++) {
        if (bytes[at] != 0x1E) continue;
        requests = realloc(requests, (request_count + 1) * sizeof *requests);
        requests[request_count++] = (struct request){bytes + start, at - start};
        start = at + 1;
    }
    if (request_count == 0) fail("no request ends with 0x1E");
}

int main(int count, char **arguments) {
    if (count != 8 && count != 9) fail("PORT NAME CA CONNECTIONS SECONDS EXPECTED FILE [TIMES]");
    if (count == 9) times = strtoul(arguments[8], NULL, 10), phase = 1;
    signal(SIGPIPE, SIG_IGN);
    port = atoi(arguments[1]);
    name = arguments[2];
    int clients = atoi(arguments[4]);
    double seconds = atof(arguments[5]);
    expected = arguments[6];
    read_requests(arguments[7]);
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_locations(context, arguments[3], NULL) != 1) fail("can't read the CA");
    struct client *all = calloc(clients, sizeof *all);
    for (int i = 0; i < clients; i++) {
        all[i].room = MOST_SAMPLES / clients;
        all[i].samples = malloc(all[i].room * sizeof(float));
        pthread_create(&all[i].thread, NULL, run, &all[i]);
    }
    if (times == 0) sleep(WARM_UP);
    double begin = now();
    atomic_store(&phase, 1);
    if (times == 0) {
        usleep((useconds_t)(seconds * 1e6));
        atomic_store(&phase, 2);
    }
    for (int i = 0; i < clients; i++) pthread_join(all[i].thread, NULL);
    double took = (now() - begin) / 1e6;
    size_t total = 0;
    float *samples = malloc(MOST_SAMPLES * sizeof(float));
    for (int i = 0; i < clients; i++) {
        memcpy(samples + total, all[i].samples, all[i].count * sizeof(float));
        total += all[i].count;
    }
    if (total == 0) fail("nothing was answered");
    qsort(samples, total, sizeof *samples, ascending);
    printf("%.0f %.0f %.0f %ld\n", total / took, samples[total / 2], samples[total * 99 / 100], atomic_load(&failed));
    return 0;
}
