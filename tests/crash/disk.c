/* Between a program and the system: one call on a store's files fails, or is the last thing the program does.
 *
 * arm_fault("write:full", 7): the seventh write finds a full disk. So does STORE_FAULT="write:full 7" in the
 * surroundings. Kinds: write, sync, cut (ftruncate).
 * limit_space(n): from then on the store, its log and its ballast together take so many bytes at most, and a write
 * beyond finds a full disk every time, until limit_space(0).
 * What becomes of it: full (ENOSPC), broken (EIO), kill (dies before it), torn (writes half of it and dies).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char armed_kind[8], armed_end[8];
static atomic_long left = 0;
static atomic_int fired = 0;

void arm_fault(const char *what, long number) {
    sscanf(what, "%7[a-z]:%7[a-z]", armed_kind, armed_end);
    left = number;
}

__attribute__((constructor)) static void look_around(void) {
    char what[16];
    long number;
    const char *told = getenv("STORE_FAULT");
    if (told && sscanf(told, "%15s %ld", what, &number) == 2)
        arm_fault(what, number);
}

static atomic_long space = 0;

void limit_space(long bytes) { space = bytes; }

int fault_fired(void) { return fired; }

static int is_store(int fd) {
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    /* The lock, the log's index and what others write are not the store. */
    return name && (!strcmp(name, "/energy.db") || !strcmp(name, "/energy.db-wal"));
}

/* Whether this call is the one. */
static int is_due(const char *kind, int fd) {
    if (left <= 0 || strcmp(kind, armed_kind) || !is_store(fd))
        return 0;
    if (atomic_fetch_sub(&left, 1) != 1)
        return 0;
    fired = 1;
    return 1;
}

static int fail(void) {
    if (!strcmp(armed_end, "kill") || !strcmp(armed_end, "torn")) {
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
    errno = strcmp(armed_end, "full") ? EIO : ENOSPC;
    return -1;
}

static long size_of(const char *path) {
    struct stat known;
    return stat(path, &known) ? 0 : (long)known.st_size;
}

/* Whether a write makes a store's files larger than the disk is. */
static int is_beyond(int fd, size_t size, off_t at) {
    struct stat known;
    if (space <= 0 || !is_store(fd) || fstat(fd, &known) || at + (off_t)size <= known.st_size)
        return 0;
    char link[32], path[4096], name[4200];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    *(strrchr(path, '/') + 1) = 0;
    long total = (long)(at + size - known.st_size);
    const char *files[] = {"energy.db", "energy.db-wal", "energy.db.ballast"};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, files[i]);
        total += size_of(name);
    }
    return total > space;
}

typedef ssize_t (*write_at)(int, const void *, size_t, off_t);

static ssize_t written(const char *name, int fd, const void *data, size_t size, off_t at) {
    write_at real = (write_at)dlsym(RTLD_NEXT, name);
    if (is_beyond(fd, size, at)) {
        errno = ENOSPC;
        return -1;
    }
    if (!is_due("write", fd))
        return real(fd, data, size, at);
    if (!strcmp(armed_end, "torn"))
        real(fd, data, size / 2, at);
    return fail();
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return written("pwrite", fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) { return written("pwrite64", fd, data, size, at); }

static int synchronised(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return is_due("sync", fd) ? fail() : real(fd);
}

int fsync(int fd) { return synchronised("fsync", fd); }
int fdatasync(int fd) { return synchronised("fdatasync", fd); }

static int shortened(const char *name, int fd, off_t size) {
    int (*real)(int, off_t) = (int (*)(int, off_t))dlsym(RTLD_NEXT, name);
    return is_due("cut", fd) ? fail() : real(fd, size);
}

int ftruncate(int fd, off_t size) { return shortened("ftruncate", fd, size); }
int ftruncate64(int fd, off_t size) { return shortened("ftruncate64", fd, size); }
