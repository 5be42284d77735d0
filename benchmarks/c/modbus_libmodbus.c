/* libmodbus, as its manual shows it: a context a connection, asked in turn, blocking.
 * Arguments and output as modbus_client.c. */
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double clock_s(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    int port = atoi(argv[1]), connections = atoi(argv[2]), registers = atoi(argv[3]);
    double seconds = atof(argv[4]);
    modbus_t **all = calloc(connections, sizeof *all);
    volatile float sink;
    for (int i = 0; i < connections; i++) {
        all[i] = modbus_new_tcp("127.0.0.1", port);
        modbus_set_slave(all[i], 1);
        if (modbus_connect(all[i])) { perror("connect"); return 1; }
    }
    double began = clock_s(CLOCK_MONOTONIC), cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID), now = began;
    long answers = 0;
    while ((now = clock_s(CLOCK_MONOTONIC)) - began < seconds) {
        for (int i = 0; i < connections; i++) {
            uint16_t words[125];
            if (modbus_read_registers(all[i], 0, registers, words) != registers) { perror("read"); return 1; }
            for (int r = 0; r + 1 < registers; r += 2) sink = modbus_get_float_abcd(words + r);
            answers++;
        }
    }
    (void)sink;
    cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%f %f %ld\n", answers / (now - began), 1e6 * cpu / answers, usage.ru_maxrss);
    return 0;
}
