/* A relay that makes a server seem farther away: what it answers is held for some time.
 *
 *   delay AT SERVER MILLISECONDS
 *
 * Both are Unix sockets; requests go on at once. It runs until it is ended. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"

enum { MOST = 256 };

/* Bytes that are sent on when their time has come. */
typedef struct Held { struct Held *next; double due; ssize_t length; char bytes[16 << 10]; } Held;
typedef struct { int client, server; Held *first, **last; } Pair;

static Pair pairs[MOST];
static int count;
static struct sockaddr_un server = {.sun_family = AF_UNIX};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int unix_socket(void) {
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0) die("socket");
    return made;
}

static int send_all(int to, const char *bytes, ssize_t length) {
    for (ssize_t sent; length > 0; bytes += sent, length -= sent)
        if ((sent = write(to, bytes, (size_t)length)) <= 0) return 0;
    return 1;
}

static void add(int client) {
    if (count == MOST) die("too many connections");
    Pair *pair = &pairs[count++];
    *pair = (Pair){.client = client, .server = unix_socket()};
    pair->last = &pair->first;
    if (connect(pair->server, (struct sockaddr *)&server, sizeof server)) die("connect");
}

static void end(int which) {
    Pair *pair = &pairs[which];
    close(pair->client);
    close(pair->server);
    for (Held *next; pair->first; pair->first = next) next = pair->first->next, free(pair->first);
    *pair = pairs[--count];
    if (!pair->first) pair->last = &pair->first;
}

/* Takes what came; 0 at the end of the connection. */
static int receive(Pair *pair, int from_client, double delay) {
    Held *held = malloc(sizeof *held);
    held->next = NULL;
    held->length = read(from_client ? pair->client : pair->server, held->bytes, sizeof held->bytes);
    held->due = now() + delay;
    if (held->length > 0 && !from_client) {
        *pair->last = held;
        pair->last = &held->next;
        return 1;
    }
    int sent = held->length > 0 && send_all(pair->server, held->bytes, held->length);
    free(held);
    return sent;
}

/* Sends what is due; 0 if that fails. */
static int release(Pair *pair) {
    while (pair->first && pair->first->due <= now()) {
        Held *held = pair->first;
        if (!send_all(pair->client, held->bytes, held->length)) return 0;
        if (!(pair->first = held->next)) pair->last = &pair->first;
        free(held);
    }
    return 1;
}

static void wait_for_something(struct pollfd *watched, nfds_t number) {
    double due = now() + 1;
    for (int i = 0; i < count; i++)
        if (pairs[i].first && pairs[i].first->due < due) due = pairs[i].first->due;
    double left = due - now();
    struct timespec limit = {0, left > 0 ? (long)(left * 999999999) : 0};
    if (ppoll(watched, number, &limit, NULL) < 0) die("ppoll");
}

int main(int arguments, char **argument) {
    struct sockaddr_un own = {.sun_family = AF_UNIX};
    if (arguments != 4) return fputs("delay AT SERVER MILLISECONDS\n", stderr), 2;
    signal(SIGPIPE, SIG_IGN);
    snprintf(own.sun_path, sizeof own.sun_path, "%s", argument[1]);
    snprintf(server.sun_path, sizeof server.sun_path, "%s", argument[2]);
    double delay = atof(argument[3]) / 1000;
    int listener = unix_socket();
    if (bind(listener, (struct sockaddr *)&own, sizeof own) || listen(listener, MOST)) die(argument[1]);
    for (;;) {
        struct pollfd watched[1 + 2 * MOST] = {{.fd = listener, .events = POLLIN}};
        for (int i = 0; i < count; i++) {
            watched[1 + 2 * i] = (struct pollfd){.fd = pairs[i].client, .events = POLLIN};
            watched[2 + 2 * i] = (struct pollfd){.fd = pairs[i].server, .events = POLLIN};
        }
        wait_for_something(watched, 1 + 2 * (nfds_t)count);
        /* From the last one on, since one that ends gives its place to the last. */
        for (int i = count - 1; i >= 0; i--) {
            int good = (!watched[1 + 2 * i].revents || receive(&pairs[i], 1, delay)) &&
                       (!watched[2 + 2 * i].revents || receive(&pairs[i], 0, delay)) && release(&pairs[i]);
            if (!good) end(i);
        }
        if (watched[0].revents) add(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    }
}
