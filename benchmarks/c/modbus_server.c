/* A Modbus TCP server as fast as it goes: one thread, epoll. Any unit, functions 3 and 4; register n holds n.
 * Listens on every address, so that 127.x.y.z are as many devices. Arguments: port. Prints "ready". */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 1024, MOST = 16384 };
struct client { int have; uint8_t data[ROOM]; };
static struct client clients[MOST];

static int answer(const uint8_t *q, uint8_t *a) {
    int start = q[8] << 8 | q[9], count = q[10] << 8 | q[11];
    memcpy(a, q, 4);
    a[6] = q[6];
    if ((q[7] != 3 && q[7] != 4) || count < 1 || count > 125) {
        a[4] = 0; a[5] = 3; a[7] = q[7] | 0x80; a[8] = 2;
        return 9;
    }
    int length = 3 + 2 * count;
    a[4] = length >> 8; a[5] = length & 255; a[7] = q[7]; a[8] = 2 * count;
    for (int i = 0; i < count; i++) {
        a[9 + 2 * i] = (start + i) >> 8;
        a[10 + 2 * i] = (start + i) & 255;
    }
    return 9 + 2 * count;
}

static int serve(int fd) {
    struct client *c = &clients[fd];
    ssize_t got = read(fd, c->data + c->have, ROOM - c->have);
    if (got <= 0) return 0;
    c->have += got;
    int at = 0;
    while (c->have - at >= 12) {
        uint8_t out[300];
        int size = answer(c->data + at, out);
        if (write(fd, out, size) != size) return 0;
        at += 12;
    }
    memmove(c->data, c->data + at, c->have - at);
    c->have -= at;
    return 1;
}

int main(int argc, char **argv) {
    int yes = 1, listening = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0),
                                .sin_addr.s_addr = htonl(INADDR_ANY)};
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listening, (struct sockaddr *)&where, sizeof where) || listen(listening, 4096)) {
        perror("listen");
        return 1;
    }
    struct epoll_event one = {.events = EPOLLIN, .data.fd = listening}, many[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, listening, &one);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(poll, many, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = many[i].data.fd;
            if (fd == listening) {
                int client = accept(listening, NULL, NULL);
                if (client < 0) continue;
                if (client >= MOST) { close(client); continue; }
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                clients[client].have = 0;
                one.data.fd = client;
                epoll_ctl(poll, EPOLL_CTL_ADD, client, &one);
            } else if (!serve(fd)) {
                close(fd);
            }
        }
    }
}
