/* The limit: block reads over many connections, one question on each, as fast as one thread with epoll goes.
 * Every answer is checked (transaction, unit, function, size) and its floats are put into an array.
 * Arguments: port, connections, registers, seconds. Prints requests a second and CPU microseconds each. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 16384 };
static uint16_t transactions[MOST];
static volatile double sink;

static double clock_s(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void ask(int fd, int registers) {
    uint16_t id = ++transactions[fd];
    uint8_t q[12] = {id >> 8, id & 255, 0, 0, 0, 6, 1, 3, 0, 0, registers >> 8, registers & 255};
    if (write(fd, q, 12) != 12) exit(1);
}

int main(int argc, char **argv) {
    int port = atoi(argv[1]), connections = atoi(argv[2]), registers = atoi(argv[3]);
    double seconds = atof(argv[4]);
    int poll = epoll_create1(0), yes = 1;
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc < 5) return 2;
    for (int i = 0; i < connections; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&where, sizeof where)) { perror("connect"); return 1; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event one = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &one);
        ask(fd, registers);
    }
    double began = clock_s(CLOCK_MONOTONIC), cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID), now = began;
    long answers = 0;
    while ((now = clock_s(CLOCK_MONOTONIC)) - began < seconds) {
        struct epoll_event many[256];
        int n = epoll_wait(poll, many, 256, 100);
        for (int i = 0; i < n; i++) {
            int fd = many[i].data.fd;
            uint8_t a[300];
            ssize_t got = read(fd, a, sizeof a);
            if (got != 9 + 2 * registers || (a[0] << 8 | a[1]) != transactions[fd] || a[6] != 1 || a[7] != 3
                || a[8] != 2 * registers) { fputs("wrong answer\n", stderr); return 1; }
            for (int r = 0; r + 1 < registers; r += 2) {
                uint32_t bits = (uint32_t)a[9 + 2 * r] << 24 | a[10 + 2 * r] << 16 | a[11 + 2 * r] << 8 | a[12 + 2 * r];
                float value;
                memcpy(&value, &bits, 4);
                sink = value;
            }
            answers++;
            ask(fd, registers);
        }
    }
    cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%f %f %ld\n", answers / (now - began), 1e6 * cpu / answers, usage.ru_maxrss);
    return 0;
}
